import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { messageOf } from "../../src/errors.ts";
import { lastOfEach, resultsOfEvents } from "../../test/builders/nexmark-results.ts";
import { nexmarkEvent, type NexmarkShape } from "../nexmark/generator.ts";
import { queries } from "../nexmark/queries.ts";
import type { OutputRecord } from "../workloads/workload.ts";
import { flinkRows } from "./flink-rows.ts";
import { differingRows, fieldsOf } from "./row-text.ts";
import { refused, type Told } from "./told.ts";

type Rows = readonly OutputRecord[];
interface Form {
  /** What is left of our results, with the names and forms of the SQL's columns. */
  readonly ours?: (rows: Rows) => Rows;
  readonly flinks?: (rows: Rows) => Rows;
  /** Said beside the result. */
  readonly note?: string;
}

const CUT = "a mean of BIGINT is a BIGINT in SQL: ours is cut off";

/** Where the two are not written in the same form. */
const forms: Readonly<Record<string, Form>> = {
  q4: {
    note: CUT,
    ours: (rows) =>
      lastOfEach(rows, ({ category }) => category).map(({ category, mean }) => ({
        category,
        mean: Math.trunc(mean as number),
      })),
  },
  q12: { note: "bids of each bidder over all windows: each has its own clock", ours: totals, flinks: totals },
  q17: {
    note: CUT,
    ours: (rows) =>
      rows.map((row) => ({
        ...row,
        day: new Date(row["windowStart"] as number).toISOString().slice(0, 10),
        avg: Math.trunc(row["avg"] as number),
      })),
  },
  q18: {
    note: "the last result of each bidder and auction",
    ours: (rows) =>
      lastOfEach(rows, ({ key }) => key).map((row) => {
        const [bidder, auction] = row["key"] as [number, number];
        return { ...row, bidder, auction };
      }),
  },
  q19: {
    note: "the last result of each rank",
    ours: (rows) =>
      lastOfEach(rows, ({ auction, rank }) => [auction, rank]).map((row) => ({
        ...row,
        ...(row["record"] as OutputRecord),
      })),
  },
};

function totals(rows: Rows): Rows {
  const sums = new Map<unknown, number>();
  for (const { bidder, bids } of rows) sums.set(bidder, (sums.get(bidder) ?? 0) + (bids as number));
  return [...sums].map(([bidder, bids]) => ({ bidder, bids }));
}

const asTheyAre = (rows: Rows): Rows => rows;

/** Every query on the same events, in both. */
export async function* compareNexmark(
  gateway: string,
  { folder, events, only }: { readonly folder: string; readonly events: number; readonly only: readonly string[] },
): AsyncGenerator<Told> {
  // A hundred seconds: ten windows of ten seconds.
  const shape: NexmarkShape = { rate: events / 100 };
  const input = join(folder, "events.ndjson");
  const all = Array.from({ length: events }, (_, n) => nexmarkEvent(n, shape));
  writeFileSync(input, all.map((event) => `${JSON.stringify(event)}\n`).join(""));
  const bids = all.filter(({ kind }) => kind === "bid").length;
  for (const query of queries) {
    if (only.length > 0 && !only.includes(query)) continue;
    const { ours: ourForm = asTheyAre, flinks: flinkForm = asTheyAre, note = "" } = forms[query] ?? {};
    const enough =
      query === "q12"
        ? (rows: Rows) => totals(rows).reduce((n, row) => n + (row["bids"] as number), 0) === bids
        : undefined;
    const [tables, select] = statements(query);
    const rows = await flinkRows(gateway, { tables, select, input, ...(enough && { enough }) }).catch(messageOf);
    if (typeof rows === "string") {
      yield refused(query, rows);
      continue;
    }
    const flinks = flinkForm(rows);
    const names = Object.keys(flinks[0] ?? {});
    const ours = ourForm(resultsOfEvents(query, events, shape)).map((row) => fieldsOf(row, names));
    yield { name: query, rows: flinks.length, note, ...differingRows(ours, flinks) };
  }
}

/** What comes before the INSERT, without the table that it writes, and what it writes. */
function statements(query: string): [tables: string, select: string] {
  const sql = readFileSync(join(import.meta.dirname, `../nexmark/${query}.sql`), "utf8");
  const [before = "", select = ""] = sql.split("INSERT INTO output");
  return [before.replace(/CREATE TABLE output [^;]*;/, ""), select.replace(/;\s*$/, "").trim()];
}
