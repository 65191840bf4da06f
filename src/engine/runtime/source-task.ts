import type { SourceState } from "../checkpoint/manifest.ts";
import { saveWatermark } from "../checkpoint/manifest.ts";
import type { DealtSource } from "../checkpoint/deal.ts";
import type { SourceReader, Split } from "../connectors/connector.ts";
import type { PlanSource } from "../plan.ts";
import type { Program } from "../program.ts";
import { saidWatermarks } from "./said-watermarks.ts";
import { splitWatermarks, type SplitWatermarks } from "./split-watermarks.ts";

/** One source of a slot: reads batches into its chain and carries its event time. All of it synchronous. */
export interface SourceTask {
  readonly node: string;
  readonly reader: SourceReader;
  /**
   * Before any source's batch counts: splits that were idle and have records by now hold time back again. After a pause of
   * all, records of several come at once, and those that are read first must not make the others late.
   */
  stir(): void;
  /** Reads and processes one batch; false when there was none. */
  step(): boolean;
  /** Idle and ended splits leave the watermark; a bounded source that is through ends. */
  rest(now: number): void;
  /** Sources were paused: silence means nothing. */
  paused(): void;
  /** Fires everything that is open, as at the end of the input. */
  drain(): void;
  readonly ended: boolean;
  /** It feeds tables only: nothing of it is saved, and the other sources wait until it has been read for the first time. */
  readonly broadcast: boolean;
  /** There is nothing more to read for now, as far as is known. */
  caughtUp(): boolean;
  readonly watermark: number;
  readonly records: number;
  /** It reads what workers of this job wrote, up to where they say that time, input and savepoints are. */
  readonly exchanged: boolean;
  /** Everything that belongs to savepoint `id` has been read. */
  passed(id: string): boolean;
  /** How many splits it reads. */
  readonly splits: number;
  state(): SourceState;
}

export interface OpenSource {
  readonly plan: PlanSource;
  readonly reader: SourceReader;
  readonly dealt: DealtSource;
}

export function sourceTask({ plan, reader, dealt }: OpenSource, program: Program): SourceTask {
  const input = program.inputs.get(plan.node);
  if (input === undefined) throw new Error(`the program has no input for source ${plan.node}`);
  const opened = dealt.assigned.map((a) => a.split);
  let added: readonly Split[] = [];
  const exchanged = reader.watermarks !== undefined;
  const times = timesOf({ plan, reader, dealt });
  let watermark = -Infinity;
  let ended = false;
  let records = 0;

  const takeOn = (): void => {
    const now = reader.added?.() ?? added;
    for (const split of now.slice(added.length)) times.add(split.index);
    added = [...now];
  };
  const advance = (): void => {
    program.setIdle(plan.node, times.idle());
    const next = times.current();
    if (next <= watermark) return;
    watermark = next;
    program.advanceWatermark(plan.node, watermark);
  };
  const look = (now: number): void => times.rest(reader.idleSplits(), reader.finishedSplits?.() ?? [], now);
  const end = (): void => {
    watermark = Infinity;
    program.end(plan.node);
  };
  advance();

  return {
    node: plan.node,
    reader,
    stir: () => {
      if (!ended && times.stir(() => reader.idleSplits())) program.setIdle(plan.node, times.idle());
    },
    step: () => {
      if (ended) return false;
      const batch = reader.poll();
      if (batch === undefined) return false;
      if (reader.added !== undefined) takeOn();
      records += batch.n;
      input.process(batch);
      if (input.maxEventTime > -Infinity) times.observe(batch.split, input.maxEventTime);
      // Its writers said so between these very records: no time need pass.
      if (exchanged) look(0);
      advance();
      return true;
    },
    rest: (now) => {
      if (ended) return;
      takeOn();
      look(now);
      advance();
      if (!reader.finished()) return;
      ended = true;
      end();
    },
    paused: () => times.restart(),
    drain: end,
    broadcast: plan.broadcast === true,
    caughtUp: () =>
      ended ||
      reader.finished() ||
      reader.lag()?.records === 0 ||
      reader.idleSplits().length >= opened.length + added.length,
    exchanged,
    passed: (id) => reader.passed?.(id) ?? true,
    get ended() {
      return ended;
    },
    get watermark() {
      return watermark;
    },
    get records() {
      return records;
    },
    get splits() {
      return opened.length + added.length;
    },
    state: () => {
      takeOn();
      const positions = reader.positions();
      return {
        node: plan.node,
        splitCount: dealt.splitCount,
        listing: dealt.listing,
        watermark: saveWatermark(watermark),
        splits: [...opened, ...added].map(({ id, index }) => ({
          id,
          index,
          position: { ...positions.get(id) },
          watermark: saveWatermark(times.of(index)),
        })),
      };
    },
  };
}

function timesOf({ plan, reader, dealt }: OpenSource): SplitWatermarks {
  const splits = dealt.assigned.map((a) => a.split.index);
  if (reader.watermarks !== undefined)
    return saidWatermarks(splits, () => reader.watermarks?.() ?? NOTHING, dealt.watermark);
  const rule = plan.eventTime ?? { maxOutOfOrdernessMs: 0, idleTimeoutMs: 0 };
  return splitWatermarks(splits, rule, { splits: dealt.splitWatermarks, watermark: dealt.watermark });
}

const NOTHING: ReadonlyMap<number, number> = new Map();
