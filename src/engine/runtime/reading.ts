import { WeirError } from "../../errors.ts";
import type { Program, ProgramBuffer } from "../program.ts";
import { within } from "./exclusive.ts";
import type { OpenSlot } from "./open-slot.ts";
import { rateLimits } from "./rate-limits.ts";
import { room, type Room } from "./room.ts";
import type { SlotOptions } from "./slot-options.ts";
import type { SourceTask } from "./source-task.ts";
import { taskLoop, type TaskLoop } from "./task-loop.ts";

/** How often idle splits and ended sources are looked at while batches keep coming. */
const REST_MS = 100;

/** `crossing`: until every worker has made its cut of a savepoint, and nobody else need know. */
export type Hold = "user" | "savepoint" | "crossing" | "stop";

export interface Reading {
  hold(why: Hold): void;
  release(why: Hold): void;
  /** Whether anybody, or this one, holds the sources. */
  held(why?: Hold): boolean;
  /**
   * Lets what waits in buffers through before a cut: a cut has positions behind it. What buffers hold that may lose
   * records stays where it is, unless `all`: after this cut nobody reads them. What waits for answers is in the cut.
   */
  settle(all: boolean): void;
  /**
   * While a savepoint crosses between workers exactly these lookups wait, or all; `undefined`: those that the holds say.
   */
  holdLookups(which: ReadonlySet<string> | "all" | undefined): void;
  /** After the sources have ended: waits until everything is through, also what waits for answers. */
  drained(): Promise<void>;
  wake(): void;
  stop(): void;
}

/** What is read in turns: a source, or a buffer between chains. */
interface Unit {
  readonly node: string;
  readonly held: (holds: ReadonlySet<Hold>, draining: boolean) => boolean;
  readonly step: () => boolean;
}

/** Drives sources and buffers: one batch a step, in turns; sources while nobody holds them, and all while what they feed has room. */
export function reading(
  { tasks, sinks, program, lookups }: OpenSlot,
  { clock, plan, start }: SlotOptions,
  on: { ended: () => void; failed: (e: unknown) => void; partlyEnded?: () => void },
): Reading {
  const holds = new Set<Hold>();
  const limits = rateLimits(plan, { program, slots: start.slots, clock });
  const space = room(plan, program, sinks);
  let heldLookups: ReadonlySet<string> | "all" | undefined;
  /** What a savepoint holds of lookups, whoever starts from it goes on with: it must not go on here as well. */
  const lookupHeld =
    (node: string): Unit["held"] =>
    (_, isDraining) => {
      if (isDraining) return false;
      const bySavepoint =
        heldLookups === undefined ? holds.has("savepoint") : heldLookups === "all" || heldLookups.has(node);
      return bySavepoint || holds.has("stop");
    };
  const bufferUnit = ({ plan: { node }, saved, step }: ProgramBuffer): Unit => ({
    node,
    held: saved ? lookupHeld(node) : () => false,
    step: () => step(),
  });
  const units = [...tasks.map(sourceUnit), ...program.buffers.map(bufferUnit)];
  let turn = 0;
  let ended = false;
  let draining: PromiseWithResolvers<void> | undefined;
  const isThrough = (): boolean => program.buffers.every((b) => b.ended);
  const tables = tasks.filter((task) => task.broadcast);
  let tablesRead = tables.length === 0;
  /** Until then only tables are read: nothing may meet one that is not there yet, nor time go on. */
  const haveTables = (): boolean => (tablesRead ||= tables.every((task) => task.caughtUp()));
  const isHeld = ({ held }: Pick<Unit, "held">): boolean => held(holds, draining !== undefined);
  const ready = (unit: Unit): boolean =>
    !isHeld(unit) && (haveTables() || tables.some((task) => task.node === unit.node)) && space.behind(unit.node);
  const rest = (): void => {
    const endedBefore = countEnded(tasks);
    for (const task of haveTables() ? tasks : tables)
      if (!isHeld({ held: heldOf(task) }) && space.behind(task.node)) task.rest(clock.elapsed());
    if (countEnded(tasks) > endedBefore) on.partlyEnded?.();
    if (isThrough()) draining?.resolve();
    if (holds.size > 0 || !tasks.every((t) => t.ended || t.broadcast) || !isThrough()) return;
    ended = true;
    on.ended();
  };
  const step = (): boolean => {
    if (ended) return false;
    // While the sources are held, a window that fires would have its result before and after the savepoint. But what comes
    // from other workers, or has an answer, goes on, also in a worker that starts so, and needs to be told the time.
    if (haveTables()) program.advanceProcessingTime(clock.now(), holds.size > 0);
    for (const task of tasks) task.stir();
    let wait = Infinity;
    for (let i = 0; i < units.length; i++) {
      const unit = units[turn++ % units.length] as Unit;
      if (!ready(unit)) continue;
      const limited = limits.waitMs(unit.node);
      if (limited > 0) wait = Math.min(wait, limited);
      else if (unit.step()) return true;
    }
    if (wait < REST_MS) setTimeout(loop.wake, wait);
    rest();
    return false;
  };
  const loop: TaskLoop = taskLoop(step, (e) => {
    draining?.reject(e);
    on.failed(e);
  });
  for (const task of tasks) task.reader.onReady(loop.wake);
  for (const writer of sinks.values()) writer.onDrain(loop.wake);
  for (const client of lookups.values()) client.onAnswer(loop.wake);
  const timer = setInterval(() => {
    try {
      if (!ended) rest();
      loop.wake();
    } catch (e) {
      on.failed(e);
    }
  }, REST_MS);

  return {
    hold: (why) => {
      holds.add(why);
    },
    release: (why) => {
      if (why === "crossing") heldLookups = undefined;
      holds.delete(why);
      if (holds.size > 0) return;
      for (const task of tasks) task.paused();
      loop.wake();
    },
    holdLookups: (which) => {
      heldLookups = which;
      loop.wake();
    },
    held: (why) => (why === undefined ? holds.size > 0 : holds.has(why)),
    settle: (all) => {
      try {
        empty(
          program.buffers.filter(
            ({ saved, plan: { strategy } }) => !saved && (all || strategy === "Buffer" || strategy === "Error"),
          ),
          space,
        );
      } catch (e) {
        on.failed(e);
        throw e;
      }
    },
    drained: async () => {
      if (isThrough()) return;
      draining = Promise.withResolvers();
      loop.wake();
      try {
        await within(
          start.checkpoint.timeoutMs,
          () => draining?.promise ?? Promise.resolve(),
          () => unanswered(program),
        );
      } finally {
        draining = undefined;
      }
    },
    wake: loop.wake,
    stop: () => {
      clearInterval(timer);
      loop.stop();
    },
  };
}

/**
 * What workers have written for each other is read on while sources are held: it is behind them. So are tables: a worker that
 * starts while it is held could not read what others wrote before it has them.
 */
const heldOf =
  ({ exchanged, broadcast }: SourceTask): Unit["held"] =>
  (holds) =>
    exchanged || broadcast ? holds.has("stop") : holds.size > 0;

const countEnded = (tasks: readonly SourceTask[]): number => tasks.filter((t) => t.ended).length;

const sourceUnit = (task: SourceTask): Unit => ({ node: task.node, held: heldOf(task), step: task.step });

function unanswered({ buffers }: Program): WeirError {
  const nodes = buffers.filter((b) => !b.ended).map((b) => `"${b.plan.reader}" (${b.pending} records)`);
  const text = `the drain did not finish in time: records still wait at ${nodes.join(", ")}`;
  return new WeirError("LOOKUP_UNREACHABLE", text);
}

/** The last first, so that none overflows because of one before it. */
function empty(buffers: readonly ProgramBuffer[], space: Room): void {
  while (buffers.toReversed().some((b) => b.step(!space.behind(b.plan.node))));
}
