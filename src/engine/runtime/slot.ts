import type { CheckpointReport, SavepointPart, WorkerMetrics } from "../../api/worker-protocol.ts";
import { WeirError } from "../../errors.ts";
import { newIncrements } from "../checkpoint/increments.ts";
import { withExchanges } from "../planner/with-exchanges.ts";
import { openRetention } from "../checkpoint/retention.ts";
import { takeBarrier } from "./barrier.ts";
import { checkpointer, checkpointOrThrow, type Checkpointer } from "./checkpointer.ts";
import { endings, type Endings } from "./endings.ts";
import { exclusive, within, type Exclusive } from "./exclusive.ts";
import { meter, totalsOf } from "./measure.ts";
import type { Totals } from "./measure.ts";
import { openSlot, type OpenSlot } from "./open-slot.ts";
import { problems } from "./problems.ts";
import { reading as readingOf, type Hold, type Reading } from "./reading.ts";
import { releaseCapture } from "../checkpoint/snapshot-writer.ts";
import { crossing, type Crossing } from "./crossing.ts";
import { takenBefore, writeSavepointPart } from "./savepointer.ts";
import { identityOf, type SlotOptions } from "./slot-options.ts";
import { writes as newWrites, type Writes } from "./writes.ts";

export type StopMode = "Cancel" | "Checkpoint" | "Savepoint";

/** One slot of a job, running in this process. */
export interface RunningSlot {
  readonly restored: { uri: string; checkpointId?: number } | null;
  /** Resolves when the input ended or `stop` is done; rejects with what ended the slot. */
  readonly done: Promise<"finished" | "stopped">;
  readonly paused: boolean;
  pause(): void;
  resume(): void;
  checkpoint(): Promise<CheckpointReport>;
  /**
   * With `pause` the sources stay stopped, unless it fails; with `drain` every open window fires first. When `unwanted`
   * fires it fails at once: nobody waits for it any more.
   */
  savepoint(
    request: { id: string; uri: string; pause: boolean; drain: boolean },
    unwanted?: AbortSignal,
  ): Promise<SavepointPart>;
  /**
   * Cancel: at once; what is being written is given up, which is waited for `withinMs` at most, and nothing more appears behind
   * it. Checkpoint: after a last one. Savepoint: one was taken, only what is on its way is flushed.
   */
  stop(mode: StopMode, drain: boolean, withinMs?: number): Promise<void>;
  /** What the checkpoint that is being taken waits for. */
  readonly waitsFor: string | undefined;
  measure(): WorkerMetrics;
  /** Of now, without beginning a new interval of rates. */
  totals(): Totals;
}

/** Restores, opens and runs a slot. Resolves when the first batch may be read. */
export async function startSlot(given: SlotOptions): Promise<RunningSlot> {
  const options = { ...given, plan: withExchanges(given.plan, given.start) };
  const found = problems(options.clock, (problem) => options.listener.problem?.(problem));
  const open = await openSlot(options, found);
  const identity = identityOf(options);
  const retention = await openRetention(open.storage, identity, options.start.checkpoint.retain);
  const ending = endings(open);
  const once = exclusive();
  /** Two at a time would let go of what the other holds. */
  const oneSavepoint = exclusive();
  const writes = newWrites();
  const cuts: Parts["cuts"] = { last: open.restored?.cut, crossing: undefined };
  const checkpoints = checkpointer({
    slot: open,
    options,
    identity,
    retention,
    increments: newIncrements(),
    problems: found,
    exclusive: once,
    writes,
    holds: () => ({ held: heldForSavepoint(reading), paused: reading.held("user"), ...saidOf(cuts) }),
    settle: () => reading.settle(false),
    fail: ending.fail,
  });
  const between = crossing({
    open,
    options,
    reading: { settle: (all) => reading.settle(all), holdLookups: (which) => reading.holdLookups(which) },
    commit: () => checkpointOrThrow(checkpoints),
  });
  const reading = readingOf(open, options, {
    ended: () => void ending.finish(checkpoints, oneSavepoint),
    failed: ending.fail,
    // Who reads what this slot wrote waits for its end, which is in the next commit.
    ...(between.any ? { partlyEnded: () => void checkpoints.take() } : {}),
  });
  ending.onEnd(async (how, withinMs) => {
    reading.stop();
    checkpoints.stop();
    // One whose input has ended has no successor, and its part of a savepoint is as good as before.
    if (how !== "finished") await writes.end(withinMs);
  });
  // A worker that restarts by itself finds the last word here; the plan only knows how the epoch was launched.
  if (open.restored?.paused ?? options.start.paused) reading.hold("user");
  if (open.restored?.held === true) reading.hold("savepoint");
  checkpoints.start();
  reading.wake();
  return runningSlot({ open, options, checkpoints, reading, ending, once, oneSavepoint, writes, between, cuts });
}

interface Cuts {
  last: string | undefined;
  /** The savepoint that this slot is about to take its part in. */
  crossing: string | undefined;
}

const saidOf = ({ last, crossing: id }: Cuts) => ({ cut: last, ...(id === undefined ? {} : { crossing: id }) });

interface Parts {
  readonly open: OpenSlot;
  readonly options: SlotOptions;
  readonly checkpoints: Checkpointer;
  readonly reading: Reading;
  readonly ending: Endings;
  readonly once: Exclusive;
  readonly oneSavepoint: Exclusive;
  readonly writes: Writes;
  readonly between: Crossing;
  /** The last savepoint beside the work that this slot has made its cut for, in whichever process. */
  readonly cuts: Cuts;
}

function runningSlot(parts: Parts): RunningSlot {
  const { open, options, checkpoints, reading, ending, once, oneSavepoint, writes, between, cuts } = parts;
  const { restored } = open;
  const identity = identityOf(options);
  let drained = false;
  const endSources = (): void => {
    drained = true;
    // What comes from other workers ends when they say so.
    for (const task of open.tasks) if (!task.exchanged) task.drain();
    reading.settle(true);
  };
  const drainIf = async (drain: boolean): Promise<void> => {
    if (!drain) return;
    endSources();
    await reading.drained();
  };
  /** After a drain every record would be late: such a slot does not go on, it is restored. */
  const goOn = (...why: readonly Hold[]): void => {
    if (drained) ending.fail(new WeirError("DRAIN_ABANDONED", "the windows were closed for a stop that was given up"));
    else why.forEach(reading.release);
  };
  /** A worker that restarts must not find itself held by a savepoint that is over. */
  const letGo = (...why: readonly Hold[]): void => {
    const held = heldForSavepoint(reading);
    goOn(...why);
    if (held && !drained) void checkpoints.take();
  };
  /** Its part is taken: it goes on by itself, unless it is to wait for a word. */
  const leaveCrossing = (pause: boolean): void => {
    if (pause) reading.release("crossing");
    else if (between.any) letGo("crossing", "savepoint");
  };
  /** Nothing is on its way between workers any more, and their sources are held. */
  const cross = async (
    at: { id: string; uri: string },
    how: { pause: boolean; drain: boolean },
    unwanted: AbortSignal,
  ): Promise<void> => {
    reading.hold("crossing");
    if (how.pause) reading.hold("savepoint");
    const isDrained = how.drain && how.pause;
    if (isDrained) endSources();
    if ((await takenBefore({ options, identity }, at)) !== undefined) return;
    if (!how.pause && cuts.last === at.id) throw goneOn(at.id);
    // Behind the end of the sources nothing waits at a lookup, in whichever process: the barrier says the same again.
    if (!isDrained && between.asks && restored?.crossing === at.id) throw askedBefore(at.id);
    cuts.crossing = at.id;
    await between.toBarrier(at.id, { drained: isDrained, unwanted });
  };
  const save = async (
    { pause, drain, ...where }: Parameters<RunningSlot["savepoint"]>[0],
    unwanted: AbortSignal,
  ): Promise<SavepointPart> => {
    const heldBefore = reading.held("savepoint");
    const hold = pause || between.any;
    try {
      if (between.any) await cross(where, { pause, drain }, unwanted);
      const part = await once(async () => {
        if (pause) reading.hold("savepoint");
        await drainIf(drain && pause);
        if (pause) reading.holdLookups("all");
        const settle = (): void => reading.settle(hold);
        return await writeSavepointPart({ slot: open, options, identity, settle, writes, unwanted }, where);
      });
      cuts.crossing = undefined;
      if (!pause && between.any) cuts.last = where.id;
      if (!pause) await between.allCut(where.id, unwanted);
      // What a savepoint covers must be committed before anybody may start from it.
      if (commits(open)) await checkpointOrThrow(checkpoints);
      // The hold must outlive the process: a worker restarted now would write past the savepoint it just reported.
      else if (pause) await checkpoints.take();
      leaveCrossing(pause);
      return part;
    } catch (e) {
      cuts.crossing = undefined;
      goOn("crossing", ...(heldBefore ? [] : (["savepoint"] as const)));
      throw e;
    }
  };
  return {
    restored:
      restored === undefined
        ? null
        : {
            uri: restored.uri,
            ...(restored.checkpointId === undefined ? {} : { checkpointId: restored.checkpointId }),
          },
    done: ending.done,
    get paused() {
      return reading.held("user") || reading.held("savepoint") || reading.held("stop");
    },
    pause: () => reading.hold("user"),
    resume: () => letGo("user", "savepoint"),
    checkpoint: checkpoints.take,
    savepoint: (request, unwanted) =>
      oneSavepoint(async () => {
        if (ending.how === "finished") {
          // Whoever hears of the refusal is to know by then that it has finished.
          await ending.done;
          throw hasReadAll(options);
        }
        return await save(request, AbortSignal.any([writes.unwanted, ...(unwanted === undefined ? [] : [unwanted])]));
      }),
    get waitsFor() {
      return checkpoints.waitsFor;
    },
    stop: async (mode, drain, withinMs) => {
      if (mode === "Cancel" || ending.how !== undefined) return await ending.end("stopped", withinMs);
      try {
        if (drain && between.any) {
          reading.hold("crossing");
          endSources();
          await between.toEnd();
        }
        reading.hold("stop");
        await drainIf(drain);
        reading.settle(true);
        if (mode === "Checkpoint") await checkpointOrThrow(checkpoints);
        else await once(() => flushOnly(open, options));
      } catch (e) {
        goOn("stop", "crossing");
        throw e;
      }
      await ending.end("stopped");
    },
    measure: meter({ ...open, clock: options.clock }),
    totals: () => totalsOf(open),
  };
}

/** Nothing is written behind the end: what its sinks have was committed, and they are closed. */
function hasReadAll({ slot, start }: SlotOptions): WeirError {
  const text = `slot ${slot} has read all of its input and has ended: ${start.checkpoint.uri} has its last checkpoint, and nothing is left to save`;
  return new WeirError("WORKER_REFUSED", text);
}

function goneOn(id: string): WeirError {
  const text = `savepoint ${id} cannot be taken again by a worker that has restarted: others may have gone on since its first part`;
  return new WeirError("SAVEPOINT_INTERRUPTED", text);
}

/** A barrier that it wrote may be read already, and what waited at its lookups then would come behind it. */
function askedBefore(id: string): WeirError {
  const text = `savepoint ${id} cannot be taken again by a worker that has restarted, as the pipeline has lookups before keys that go to other workers`;
  return new WeirError("SAVEPOINT_INTERRUPTED", text);
}

const heldForSavepoint = ({ held }: Reading): boolean => held("savepoint") || held("crossing");

const commits = ({ sinks }: OpenSlot): boolean => [...sinks.values()].some((writer) => writer.commit !== undefined);

async function flushOnly(open: OpenSlot, { clock, start }: SlotOptions): Promise<void> {
  const { timeoutMs } = start.checkpoint;
  const barrier = takeBarrier(open, clock, { held: false });
  releaseCapture(barrier.capture);
  const text = `the sinks did not take what was on its way in ${timeoutMs} ms`;
  await within(
    timeoutMs,
    () => barrier.flushed,
    () => new WeirError("SINK_UNREACHABLE", text),
  );
}
