import { BATCH, lookups, nexmarkBatches, planOf } from "../../bench/nexmark/queries.ts";
import type { NexmarkShape } from "../../bench/nexmark/generator.ts";
import type { Batch } from "../../src/engine/batch.ts";
import { compile } from "../../src/engine/codegen/compile.ts";
import { memorySink } from "./memory-sink.ts";
import { arrivalOf } from "./nexmark-model.ts";

export type ResultRow = Readonly<Record<string, unknown>>;

/** What the program of a query of Nexmark writes, with one worker and the watermark behind each batch. */
export function nexmarkResults(query: string, batches: readonly Batch[]): ResultRow[] {
  const { writer, written } = memorySink();
  const sinks = new Map([["out", writer]]);
  const program = compile(planOf(query), { slot: 0, slots: 1, sinks, lookups, parameters: {} });
  const events = program.inputs.get("events");
  for (const [i, batch] of batches.entries()) {
    program.advanceProcessingTime(arrivalOf(i * BATCH));
    events?.process(batch);
    while (program.buffers.some((buffer) => buffer.step()));
    program.advanceWatermark("events", (events?.maxEventTime ?? 0) - 1);
  }
  program.end("events");
  while (program.buffers.some((buffer) => buffer.step()));
  return written.map(({ value }) => JSON.parse(value) as ResultRow);
}

/** The same of the first events, as a broker would hand them over. */
export const resultsOfEvents = (query: string, events: number, shape: NexmarkShape): ResultRow[] =>
  nexmarkResults(query, nexmarkBatches(events, shape));

/** Of results that replace one another: the last one with each value of `key`. */
export const lastOfEach = (rows: readonly ResultRow[], key: (row: ResultRow) => unknown): ResultRow[] => [
  ...new Map(rows.map((row) => [JSON.stringify(key(row)), row])).values(),
];
