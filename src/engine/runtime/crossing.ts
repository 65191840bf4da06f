import { setTimeout as sleep } from "node:timers/promises";
import { exchangeLevels } from "../planner/exchange-levels.ts";
import type { ExchangeLevel } from "../planner/exchange-levels.ts";
import { WeirError } from "../../errors.ts";
import { within } from "./exclusive.ts";
import type { OpenSlot } from "./open-slot.ts";
import type { Reading } from "./reading.ts";
import type { SlotOptions } from "./slot-options.ts";
import type { SourceTask } from "./source-task.ts";

const LOOK_MS = 10;

/** What is on its way between the workers of a job, as a savepoint sees it (docs/adr/0027). */
export interface Crossing {
  /** Whether this slot has exchanges at all. */
  readonly any: boolean;
  /** Whether records may wait for the answers of another system before they can go to their workers. */
  readonly asks: boolean;
  /**
   * Sources are held, here and in every other slot that is asked the same: resolves when this slot has read and processed
   * everything that any slot had written by then. Level by level: what the first gives, the second has to read. What waits
   * at a lookup then goes on in the cut, and not before it, unless the slot is `drained`.
   */
  toBarrier(id: string, how: { drained: boolean; unwanted: AbortSignal | undefined }): Promise<void>;
  /** This slot has made its cut: resolves when all slots have, so that nobody's next records get into another's cut. */
  allCut(id: string, unwanted: AbortSignal | undefined): Promise<void>;
  /** Every source has ended: resolves when what workers wrote for each other has ended, too. */
  toEnd(): Promise<void>;
}

export interface CrossingOptions {
  readonly open: OpenSlot;
  readonly options: SlotOptions;
  readonly reading: Pick<Reading, "settle" | "holdLookups">;
  /** Takes a checkpoint, or throws: what was written is committed, and the hold of the sources outlives the process. */
  readonly commit: () => Promise<void>;
}

export function crossing({ open, options, reading, commit }: CrossingOptions): Crossing {
  const levels = exchangeLevels(options.plan);
  const tasksOf = ({ read }: ExchangeLevel): SourceTask[] => open.tasks.filter((t) => read.includes(t.node));
  const mark = ({ written }: ExchangeLevel, id: string): void => {
    reading.settle(true);
    for (const node of written) open.sinks.get(node)?.barrier?.(id);
  };
  const read = async (level: ExchangeLevel, id: string, signal: AbortSignal): Promise<void> => {
    const tasks = tasksOf(level);
    while (!tasks.every((t) => t.passed(id))) await sleep(LOOK_MS, undefined, { signal });
    // Time and ends that came before the barrier count before it, too.
    for (const task of tasks) task.rest(options.clock.elapsed());
  };
  /** Behind the end of the sources nothing may be left that waits for an answer. */
  const answered = async ({ lookups }: ExchangeLevel, signal: AbortSignal): Promise<void> => {
    const own = open.program.buffers.filter((b) => b.saved && lookups.includes(b.plan.node));
    while (!own.every((b) => b.ended)) {
      // The one before may stand behind a buffer.
      reading.settle(true);
      await sleep(LOOK_MS, undefined, { signal });
    }
  };
  const inTime = async (
    what: string,
    work: (signal: AbortSignal) => Promise<void>,
    unwanted?: AbortSignal,
  ): Promise<void> => {
    const { timeoutMs } = options.start.checkpoint;
    const text = `${what} in ${timeoutMs} ms: a worker does not answer, or has more to read than it could; raise spec.checkpoint.timeout`;
    await within(timeoutMs, work, () => new WeirError("CHECKPOINT_UNWRITABLE", text), unwanted);
  };
  return {
    any: levels.length > 0,
    asks: levels.some((level) => level.lookups.length > 0),
    toBarrier: async (id, { drained, unwanted }) => {
      const toAll = async (signal: AbortSignal): Promise<void> => {
        const held = new Set<string>();
        for (const level of levels) {
          signal.throwIfAborted();
          if (drained) await answered(level, signal);
          for (const lookup of level.lookups) held.add(lookup);
          reading.holdLookups(held);
          mark(level, id);
          await commit();
          await read(level, id, signal);
        }
      };
      reading.holdLookups(new Set());
      // Before any barrier: a worker that comes back without the hold would read past the barrier it has written.
      await commit();
      await inTime("the records between workers were not read", toAll, unwanted);
    },
    allCut: async (id, unwanted) => {
      const [first] = levels;
      if (first === undefined) return;
      mark(first, `${id}/cut`);
      await commit();
      await inTime("not every worker made its cut", (signal) => read(first, `${id}/cut`, signal), unwanted);
    },
    toEnd: async () => {
      reading.holdLookups(new Set());
      await inTime("the records between workers were not read to their end", async (signal) => {
        for (const level of levels) {
          await answered(level, signal);
          reading.settle(true);
          await commit();
          const tasks = tasksOf(level);
          while (!tasks.every((t) => t.ended)) await sleep(LOOK_MS, undefined, { signal });
        }
      });
    },
  };
}
