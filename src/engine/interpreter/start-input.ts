import type { Batch, Row } from "../batch.ts";
import { eventTimeOf, noEventTime } from "../event-time.ts";
import { ownField } from "../own-field.ts";
import type { PlanSource } from "../plan.ts";
import type { ProgramInput } from "../program.ts";
import { fail } from "./operators.ts";
import type { Flowing, Stage } from "./operators.ts";

/** Where records come in: at a source, or from a buffer. */
export type Start = Pick<PlanSource, "node" | "onError" | "eventTime">;

/** Gives each record of a batch to what reads the start. `checked`: records are parsed, because something looks into them. */
export function startInput(start: Start, stage: Stage, checked: boolean): ProgramInput {
  const input = {
    maxEventTime: Number.NEGATIVE_INFINITY,
    process: (batch: Batch): void => {
      input.maxEventTime = Number.NEGATIVE_INFINITY;
      for (let i = 0; i < batch.n; i++) {
        const event = read(start, stage, checked, { batch, i });
        if (event === undefined) continue;
        input.maxEventTime = Math.max(input.maxEventTime, event.ts);
        stage.output("out")(event);
      }
    },
  };
  return input;
}

function read(start: Start, stage: Stage, checked: boolean, at: { batch: Batch; i: number }): Flowing | undefined {
  const { batch, i } = at;
  if (batch.rows !== undefined) return readRow(start, stage, { batch, i, row: batch.rows[i] as Row });
  const from = batch.off[i] as number;
  const length = batch.len[i] as number;
  const raw = length < 0 ? undefined : batch.buf.subarray(from, from + length);
  const event = { value: undefined, raw, ts: batch.ts[i] as number, shard: batch.split, where: batch.describe(i) };
  stage.counters.in++;
  try {
    const value: unknown = checked ? parsed(raw) : undefined;
    return { ...event, value, ts: timeOf(start, value, event.ts) };
  } catch (cause) {
    fail(stage, event, { code: "RECORD_MALFORMED", cause });
    return undefined;
  }
}

function parsed(raw: Buffer | undefined): unknown {
  if (raw === undefined) throw new SyntaxError("the record has no value");
  return JSON.parse(raw.toString("utf8"));
}

function readRow(start: Start, stage: Stage, at: { batch: Batch; i: number; row: Row }): Flowing | undefined {
  const { batch, i, row } = at;
  const ts = batch.ts[i] as number;
  const event = { value: row, raw: undefined, ts, shard: batch.split, where: batch.describe(i) };
  stage.counters.in++;
  try {
    return { ...event, ts: timeOf(start, row, ts) };
  } catch (cause) {
    fail(stage, event, { code: "RECORD_MALFORMED", cause });
    return undefined;
  }
}

function timeOf(start: Start, value: unknown, otherwise: number): number {
  const path = start.eventTime?.field ?? null;
  const ts = path === null ? otherwise : eventTimeOf(ownField(value, path));
  if (Number.isNaN(ts)) throw new TypeError(noEventTime(path?.join(".") ?? ""));
  return ts;
}
