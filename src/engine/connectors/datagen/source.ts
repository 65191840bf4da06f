import type { DatagenSource } from "../../../api/datagen.schema.ts";
import { WeirError } from "../../../errors.ts";
import { MAX_BATCH_BYTES, MAX_BATCH_RECORDS, type Batch } from "../../batch.ts";
import type { AssignedSplit, Position, SourceContext, SourceFactory, SourceReader } from "../connector.ts";
import { datagenGenerator, type Generator } from "./generator.ts";
import { readBudget } from "./read-budget.ts";
import { splitSchedule, type SplitSchedule } from "./schedule.ts";

/** Records that trickle in are collected for this long, so that a low rate does not mean batches of one. */
const COLLECT_MS = 10;

interface SplitState {
  readonly id: string;
  readonly index: number;
  readonly schedule: SplitSchedule;
  /** When the job first read this split. It is part of the position: records go on coming into being while a job is stopped. */
  readonly startedAt: number;
  next: number;
}

/** Makes its own records, deterministically; see the schema for what can be said. */
export const datagenSource: SourceFactory = {
  splits: (config, ctx) => {
    const { splits } = datagenGenerator(config as DatagenSource);
    refuseFalseKey(config as DatagenSource, ctx.partitionedBy);
    return Promise.resolve(Array.from({ length: splits }, (_, index) => ({ id: `${ctx.node}-${index}`, index })));
  },
  open: (config, assigned, ctx) => Promise.resolve(datagenReader(config as DatagenSource, assigned, ctx)),
};

/** `partitionedBy` is only true for a field whose generator keeps each value in one split. */
function refuseFalseKey(config: DatagenSource, partitionedBy: readonly string[] | null): void {
  if (partitionedBy === null) return;
  const path = partitionedBy.join(".");
  const fields = config.fields;
  const keeps = fields === undefined ? path === "tenant" : fields.some((f) => f.path === path && f.key !== undefined);
  if (keeps) return;
  throw new WeirError(
    "SPEC_INVALID",
    `datagen: partitionedBy event.${path} is not true: only a field made by \`key\` keeps each value in one split`,
  );
}

function datagenReader(config: DatagenSource, assigned: readonly AssignedSplit[], ctx: SourceContext): SourceReader {
  const generator = datagenGenerator(config);
  const splits = assigned.map(({ split, position }) => restoreSplit(config, split, position, ctx.clock.now()));
  const cut = batchCutter(generator);
  const budget = readBudget(config.readRate, ctx.clock.now());
  let wake = (): void => {};
  let timer: NodeJS.Timeout | undefined;
  let turn = 0;

  const ready = (split: SplitState, now: number): number => split.schedule.available(split.startedAt, now) - split.next;
  const wakeLater = (now: number): void => {
    if (timer !== undefined) return;
    const waiting = splits.filter((s) => s.next < s.schedule.total);
    if (waiting.length === 0) return;
    const there = Math.min(...waiting.map((s) => s.schedule.availableAt(s.startedAt, s.next)));
    const at = Math.max(there, budget.nextAt(now));
    timer = setTimeout(
      () => {
        timer = undefined;
        wake();
      },
      Math.min(Math.max(COLLECT_MS, at - now), 1000),
    );
  };

  return {
    poll: () => {
      const now = ctx.clock.now();
      const allowed = budget.left(now);
      for (let i = 0; i < splits.length && allowed > 0; i++) {
        const split = splits[turn++ % splits.length] as SplitState;
        const n = Math.min(ready(split, now), allowed);
        if (n <= 0) continue;
        const batch = cut(split, n, now);
        budget.spend(batch.n);
        return batch;
      }
      wakeLater(now);
      return undefined;
    },
    onReady: (fn) => {
      wake = fn;
    },
    positions: () => new Map<string, Position>(splits.map((s) => [s.id, { next: s.next, startedAt: s.startedAt }])),
    finished: () => config.count !== undefined && splits.every((s) => s.next >= s.schedule.total),
    lag: () => lagOf(splits, config.rate === 0 && config.count === undefined, ctx.clock.now()),
    idleSplits: () => splits.filter((s) => ready(s, ctx.clock.now()) <= 0).map((s) => s.index),
    finishedSplits: () => splits.filter((s) => s.next >= s.schedule.total).map((s) => s.index),
    close: () => {
      clearTimeout(timer);
      return Promise.resolve();
    },
  };
}

function restoreSplit(
  config: DatagenSource,
  split: { id: string; index: number },
  position: Position | undefined,
  now: number,
): SplitState {
  return {
    id: split.id,
    index: split.index,
    schedule: splitSchedule(config, split.index),
    startedAt: Number(position?.["startedAt"] ?? now),
    next: Number(position?.["next"] ?? 0),
  };
}

/** An endless source without a rate has no lag to speak of: it makes records as fast as they are taken. */
function lagOf(
  splits: readonly SplitState[],
  endless: boolean,
  now: number,
): { records: number; oldestTimestamp?: number } | undefined {
  if (endless) return { records: 0 };
  let records = 0;
  let oldest = Infinity;
  for (const { schedule, startedAt, next } of splits) {
    const unread = schedule.available(startedAt, now) - next;
    if (unread <= 0) continue;
    records += unread;
    oldest = Math.min(oldest, schedule.availableAt(startedAt, next));
  }
  return oldest === Infinity ? { records } : { records, oldestTimestamp: oldest };
}

function batchCutter(generator: Generator): (split: SplitState, ready: number, now: number) => Batch {
  const perBatch = Math.max(1, Math.min(MAX_BATCH_RECORDS, Math.floor(MAX_BATCH_BYTES / generator.maxBytes)));
  const off = new Int32Array(perBatch);
  const len = new Int32Array(perBatch);
  const ts = new Float64Array(perBatch);
  const buf = Buffer.allocUnsafeSlow(perBatch * generator.maxBytes);
  return (split, ready, now) => {
    const n = Math.min(perBatch, ready);
    const first = split.next;
    let at = 0;
    for (let i = 0; i < n; i++) {
      const end = generator.write(buf, at, { split: split.index, index: first + i });
      off[i] = at;
      len[i] = end - at;
      ts[i] = now;
      at = end;
    }
    split.next = first + n;
    return { split: split.index, n, buf, off, len, ts, key: undefined, describe: (i) => `${split.id}@${first + i}` };
  };
}
