import { openSession, statementsOf, type StatementResult } from "../peers/flink-calls.ts";
import { millis, type OutputRecord } from "../workloads/workload.ts";
import { rowText } from "./row-text.ts";

export interface Query {
  /** Tables and views; ${source} stands for the options of the input's table. */
  readonly tables: string;
  readonly select: string;
  /** NDJSON. */
  readonly input: string;
  /** Of an input that has no end: when everything has come. */
  readonly enough?: (rows: readonly OutputRecord[]) => boolean;
}

/** A watermark behind every record, as a test of a pipeline has it, and not whenever a timer runs. */
const SETTINGS = { "pipeline.auto-watermark-interval": "0 ms" };

/** What a query's rows are in the end, with everything taken back that it takes back. Times are milliseconds. */
export async function flinkRows(gateway: string, query: Query): Promise<OutputRecord[]> {
  const session = await openSession(gateway, SETTINGS);
  try {
    for (const statement of statementsOf(query.tables.replaceAll("${source}", optionsOf(query))))
      await session.run(statement);
    const rows = new Map<string, OutputRecord[]>();
    for await (const page of session.pages(query.select)) {
      applyPage(rows, page);
      if (query.enough?.([...rows.values()].flat()) === true) break;
    }
    return [...rows.values()].flat();
  } finally {
    await session.close();
  }
}

function optionsOf({ input, enough }: Query): string {
  const entries: Record<string, string> = { connector: "filesystem", path: `file://${input}`, format: "json" };
  if (enough !== undefined) entries["source.monitor-interval"] = "1 s";
  return Object.entries(entries)
    .map(([name, value]) => `'${name}' = '${value}'`)
    .join(", ");
}

/** Equal rows lie together. */
function applyPage(rows: Map<string, OutputRecord[]>, { results: { columns, data } }: StatementResult): void {
  for (const { kind, fields } of data) {
    const values = columns.map(({ name, logicalType: { type } }, i) => [name, valueOf(type, fields[i])]);
    const row = Object.fromEntries(values) as OutputRecord;
    const text = rowText(row);
    const equal = rows.get(text) ?? [];
    if (kind === "INSERT" || kind === "UPDATE_AFTER") rows.set(text, [...equal, row]);
    else rows.set(text, equal.slice(1));
  }
}

const valueOf = (type: string, value: unknown): unknown =>
  type.startsWith("TIMESTAMP") && value !== null ? millis(value) : value;
