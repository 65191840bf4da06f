import { describe, expect, it } from "vitest";
import { nexmarkEvent } from "../../bench/nexmark/generator.ts";
import { BATCH, lookups, nexmarkBatches, nexmarkRows, planOf, queries } from "../../bench/nexmark/queries.ts";
import { compile } from "../../src/engine/codegen/compile.ts";
import { memorySink } from "../builders/memory-sink.ts";
import { arrivalOf, model } from "../builders/nexmark-model.ts";

const EVENTS = process.env["WEIR_LONG"] === "1" ? 100_000 : 20_000;
/** A hundred seconds of event time: ten windows of ten seconds. */
const SHAPE = { rate: EVENTS / 100 };
const events = Array.from({ length: EVENTS }, (_, n) => nexmarkEvent(n, SHAPE));
const batches = nexmarkBatches(EVENTS, SHAPE);
/** The same events as objects. */
const rows = nexmarkRows(EVENTS, SHAPE);

type Row = Readonly<Record<string, unknown>>;

/** What the query's own program writes. */
function run(query: string, input = batches): Row[] {
  const plan = planOf(query);
  const { writer, written } = memorySink();
  const sinks = new Map([["out", writer]]);
  const program = compile(plan, { slot: 0, slots: 1, sinks, lookups, parameters: {} });
  const events = program.inputs.get("events");
  for (const [i, batch] of input.entries()) {
    program.advanceProcessingTime(arrivalOf(i * BATCH));
    events?.process(batch);
    while (program.buffers.some((buffer) => buffer.step()));
    program.advanceWatermark("events", (events?.maxEventTime ?? 0) - 1);
  }
  program.end("events");
  while (program.buffers.some((buffer) => buffer.step()));
  return written.map(({ value }) => JSON.parse(value) as Row);
}

/** Of rankings that are told by their changes: what is left. */
function lastOfEachRank(rows: readonly Row[]): Row[] {
  const last = new Map<string, Row>();
  for (const { auction, rank, record } of rows)
    last.set(`${String(auction)} ${String(rank)}`, { auction, rank, price: (record as Row)["price"] });
  return [...last.values()];
}

/** Of values that are told whenever they change: the last of each key. */
function lastOfEachKey(rows: readonly Row[], key: string): Row[] {
  return [...new Map(rows.map((row) => [row[key], row])).values()];
}

/** Where a query tells changes, what is left of them in the end. */
const LEFT: Readonly<Record<string, (rows: readonly Row[]) => Row[]>> = {
  q4: (rows) => lastOfEachKey(rows, "category"),
  q19: lastOfEachRank,
};

const texts = (rows: readonly Row[]): string[] =>
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
    const got = run(query);
    const expected = texts((model[query] as (typeof model)[string])(events));
    expect(expected.length).toBeGreaterThan(0);
    const found = texts(LEFT[query]?.(got) ?? got);
    console.log(`${query}: ${got.length} records`);
    expect(found.length).toBe(expected.length);
    const wrong = found.findIndex((row, i) => row !== expected[i]);
    expect(found[wrong]).toBe(expected[wrong]);
    expect(run(query, rows)).toEqual(got);
  });
});
