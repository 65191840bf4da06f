import { describe, expect, it } from "vitest";
import { nexmarkEvent } from "../../bench/nexmark/generator.ts";
import { nexmarkBatches, nexmarkRows, queries } from "../../bench/nexmark/queries.ts";
import { model } from "../builders/nexmark-model.ts";
import { lastOfEach, nexmarkResults, type ResultRow } from "../builders/nexmark-results.ts";

const EVENTS = process.env["WEIR_LONG"] === "1" ? 100_000 : 20_000;
/** A hundred seconds of event time: ten windows of ten seconds. */
const SHAPE = { rate: EVENTS / 100 };
const events = Array.from({ length: EVENTS }, (_, n) => nexmarkEvent(n, SHAPE));
const batches = nexmarkBatches(EVENTS, SHAPE);
/** The same events as objects. */
const rows = nexmarkRows(EVENTS, SHAPE);

/** Of rankings that are told by their changes: what is left. */
const lastOfEachRank = (rows: readonly ResultRow[]): ResultRow[] =>
  lastOfEach(rows, ({ auction, rank }) => [auction, rank]).map(({ auction, rank, record }) => ({
    auction,
    rank,
    price: (record as ResultRow)["price"],
  }));

/** Where a query tells changes, what is left of them in the end. */
const LEFT: Readonly<Record<string, (rows: readonly ResultRow[]) => ResultRow[]>> = {
  q4: (rows) => lastOfEach(rows, ({ category }) => category),
  q19: lastOfEachRank,
};

const texts = (rows: readonly ResultRow[]): string[] =>
  rows
    .map((row) => JSON.stringify(Object.fromEntries(Object.entries(row).toSorted(([a], [b]) => (a < b ? -1 : 1)))))
    .toSorted((a, b) => (a < b ? -1 : Number(a > b)));

describe("Nexmark", () => {
  it("has its events in the standard's proportions", () => {
    const count = (kind: string): number => events.filter((e) => e.kind === kind).length;
    expect([count("person"), count("auction"), count("bid")]).toEqual([
      EVENTS / 50,
      (EVENTS * 3) / 50,
      (EVENTS * 46) / 50,
    ]);
    const bids = events.filter((e) => e.kind === "bid");
    expect(bids.filter((b) => (b.auction - 1000) % 100 === 0).length / bids.length).toBeCloseTo(0.5, 1);
    expect(bids.filter((b) => (b.bidder - 1001) % 100 === 0).length / bids.length).toBeCloseTo(0.75, 1);
  });

  it("has a model for each query, and a query for each model", () => {
    expect(queries).toEqual(Object.keys(model));
  });

  it.each(queries)(`%s gives what a plain computation of the same ${EVENTS} events gives`, (query) => {
    const got = nexmarkResults(query, batches);
    const expected = texts([...(model[query] as (typeof model)[string])(events)]);
    expect(expected.length).toBeGreaterThan(0);
    const found = texts(LEFT[query]?.(got) ?? got);
    console.log(`${query}: ${got.length} records`);
    expect(found.length).toBe(expected.length);
    const wrong = found.findIndex((row, i) => row !== expected[i]);
    expect(found[wrong]).toBe(expected[wrong]);
    expect(nexmarkResults(query, rows)).toEqual(got);
  });
});
