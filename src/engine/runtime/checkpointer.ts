import type { CheckpointReport } from "../../api/worker-protocol.ts";
import { isWeirError, messageOf, WeirError, type ErrorCode } from "../../errors.ts";
import { COMPLETED, slotFolder, type SlotIdentity } from "../checkpoint/layout.ts";
import type { Increments } from "../checkpoint/increments.ts";
import type { Manifest } from "../checkpoint/manifest.ts";
import type { Retention } from "../checkpoint/retention.ts";
import { readManifest } from "../checkpoint/snapshot-reader.ts";
import { factsOf, releaseCapture, writeKeyedState, writeManifest } from "../checkpoint/snapshot-writer.ts";
import { refuseReplaced } from "../checkpoint/succession.ts";
import { takeBarrier, type Barrier } from "./barrier.ts";
import { within, type Exclusive } from "./exclusive.ts";
import type { OpenSlot } from "./open-slot.ts";
import type { Problems } from "./problems.ts";
import type { SlotOptions } from "./slot-options.ts";
import type { Writes } from "./writes.ts";

/** What no later checkpoint can make good. */
const ENDS_AT_ONCE: ReadonlySet<string> = new Set<ErrorCode>([
  "WORKER_REFUSED",
  "SINK_REFUSED",
  "TRANSACTION_LOST",
  "DELIVERY_AT_RISK",
]);

export interface CheckpointerOptions {
  readonly slot: OpenSlot;
  readonly options: SlotOptions;
  readonly identity: SlotIdentity;
  readonly retention: Retention;
  readonly increments: Increments;
  readonly problems: Problems;
  readonly exclusive: Exclusive;
  readonly writes: Writes;
  /** What the manifest says of savepoints and of the user's pause. */
  readonly holds: () => Pick<Manifest, "held" | "paused" | "cut" | "crossing">;
  /** Lets what must not be lost through the buffers, right before the cut. */
  readonly settle: () => void;
  /** Ends the slot. */
  readonly fail: (e: unknown) => void;
}

export interface Checkpointer {
  /** Never rejects: a failed checkpoint is a report with `ok: false`, and ends the slot only beyond what is tolerated. */
  take(): Promise<CheckpointReport>;
  /** What the one that is being taken waits for. */
  readonly waitsFor: string | undefined;
  /** Takes one every interval, but not sooner than minPause after the last. */
  start(): void;
  stop(): void;
}

export function checkpointer(of: CheckpointerOptions): Checkpointer {
  const { options, problems, identity, slot } = of;
  const { intervalMs, minPauseMs, tolerableFailures } = options.start.checkpoint;
  const { clock, listener } = options;
  let failures = 0;
  let timer: NodeJS.Timeout | undefined;
  let stopped = false;
  let waitsFor: string | undefined;
  const waits = (what: string): void => {
    waitsFor = what;
  };

  const take = (): Promise<CheckpointReport> =>
    of.exclusive(async () => {
      const id = of.retention.nextId();
      const startedAt = clock.now();
      const facts = { id, uri: `${slot.storage.uri}/${slotFolder(identity)}/${id}` };
      // Its sinks are closed, and what is asked for behind the last checkpoint would open them again.
      if (stopped) return { ...facts, ok: false, bytes: 0, ...timesSince(startedAt), error: "the slot has ended" };
      const report = await attempt(of, id, waits).then(
        (bytes): CheckpointReport => ({ ...facts, ok: true, bytes, ...timesSince(startedAt) }),
        (e: unknown): CheckpointReport => {
          if (!of.writes.unwanted.aborted) failed(e);
          return { ...facts, ok: false, bytes: 0, ...timesSince(startedAt), error: messageOf(e) };
        },
      );
      waitsFor = undefined;
      if (report.ok) succeeded();
      // That a slot which has ended takes none is no news.
      if (report.ok || !of.writes.unwanted.aborted) listener.checkpoint?.(report);
      return report;
    });

  const timesSince = (startedAt: number): { completedAt: number; durationMs: number } => {
    const completedAt = clock.now();
    return { completedAt, durationMs: Math.max(0, completedAt - startedAt) };
  };
  const succeeded = (): void => {
    failures = 0;
    problems.report("checkpoint", undefined);
  };
  /** A sink that cannot be reached holds up checkpoints: that is its problem, and waits, rather than ends the job. */
  const failed = (e: unknown): void => {
    const code = isWeirError(e) ? e.code : "CHECKPOINT_UNWRITABLE";
    if (!ENDS_AT_ONCE.has(code) && problems.has("SINK_UNREACHABLE")) return;
    failures++;
    if (failures > tolerableFailures || code === "SINK_UNREACHABLE" || ENDS_AT_ONCE.has(code)) {
      of.fail(e);
      return;
    }
    problems.report("checkpoint", {
      code,
      message: messageOf(e),
      nextTryAt: clock.now() + Math.max(intervalMs, minPauseMs),
    });
  };

  const schedule = (ms: number): void => {
    if (stopped || intervalMs <= 0) return;
    timer = setTimeout(() => {
      const startedAt = clock.elapsed();
      void take().then(() => schedule(Math.max(minPauseMs, intervalMs - (clock.elapsed() - startedAt), 0)));
    }, ms);
  };

  return {
    take,
    get waitsFor() {
      return waitsFor;
    },
    start: () => schedule(intervalMs),
    stop: () => {
      stopped = true;
      clearTimeout(timer);
    },
  };
}

export async function checkpointOrThrow(checkpoints: Checkpointer): Promise<void> {
  const { ok, error } = await checkpoints.take();
  if (!ok) throw new WeirError("CHECKPOINT_UNWRITABLE", `the last checkpoint failed: ${error ?? "unknown"}`);
}

/** One checkpoint: cut, write, manifest, commit, completed. Gives its size. */
async function attempt(of: CheckpointerOptions, id: number, waits: (what: string) => void): Promise<number> {
  const { slot, options, identity } = of;
  const { timeoutMs } = options.start.checkpoint;
  const folder = `${slotFolder(identity)}/${id}`;
  of.writes.unwanted.throwIfAborted();
  of.settle();
  const barrier = takeBarrier(slot, options.clock, { id, ...of.holds() });
  const storage = `storage ${slot.storage.uri}`;
  let waitsFor = "";
  const wait = (what: string): void => waits((waitsFor = what));
  wait("its sinks");
  const late = (): WeirError =>
    new WeirError(
      "CHECKPOINT_UNWRITABLE",
      `checkpoint ${id} did not finish in ${timeoutMs} ms; it was waiting for ${waitsFor}`,
    );
  try {
    const written = await within(
      timeoutMs,
      async (signal) => {
        const sinks = await barrier.flushed;
        signal.throwIfAborted();
        wait(storage);
        return await of.writes.run(() => write(of, { id, folder, barrier, sinks, signal }));
      },
      late,
      of.writes.unwanted,
    );
    wait(written.manifest.sinks.length === 0 ? storage : `the commit of its sinks, or ${storage}`);
    await commitOrEnd(of, id, written.manifest);
    await tidyUp(of, id, written.manifest).catch((e: unknown) => options.listener.warning?.(messageOf(e)));
    return written.bytes;
  } finally {
    releaseCapture(barrier.capture);
  }
}

async function tidyUp({ retention, slot }: CheckpointerOptions, id: number, manifest: Manifest): Promise<void> {
  if (!(await retention.completed(id, manifest))) return;
  for (const writer of slot.sinks.values()) writer.forgetEarlierEpochs?.();
}

async function write(
  { slot, options, identity, increments }: CheckpointerOptions,
  at: { id: number; folder: string; barrier: Barrier; sinks: Manifest["sinks"]; signal: AbortSignal },
): Promise<{ manifest: Manifest; bytes: number }> {
  const { id, folder, barrier, sinks, signal } = at;
  const { capture } = barrier;
  const increment = increments.begin(id);
  const place = { folder, attempt: identity.attempt, increment };
  const { keyed, bytes } = await writeKeyedState(slot.storage, place, capture, signal);
  signal.throwIfAborted();
  const facts = { identity, id, sinks, ...factsOf(options.plan) };
  const written = await writeManifest(slot.storage, folder, facts, { capture, keyed });
  if (written === undefined) throw await taken(slot, folder, identity);
  // Nobody counts a checkpoint that came too late, and it goes with the next one: nothing may point into it.
  signal.throwIfAborted();
  increment.accept(written.manifest, bytes);
  return { manifest: written.manifest, bytes: bytes + written.bytes.length };
}

/** Somebody else wrote this checkpoint: a newer attempt has replaced this worker, or an older one is still alive. */
async function taken({ storage }: OpenSlot, folder: string, identity: SlotIdentity): Promise<WeirError> {
  const attempt = (await readManifest(storage, folder))?.manifest.attempt ?? 0;
  const newer = attempt > identity.attempt;
  const what = newer ? "this worker was replaced and must not go on" : "an older worker of this slot is still alive";
  const text = `attempt ${attempt} of slot ${identity.slot} has written ${storage.uri}/${folder}: ${what}`;
  return new WeirError(newer ? "WORKER_REFUSED" : "CHECKPOINT_UNWRITABLE", text);
}

/** The manifest has decided: what does not get committed now must be by a restore, so the slot ends. */
async function commitOrEnd(of: CheckpointerOptions, id: number, manifest: Manifest): Promise<void> {
  try {
    if (of.slot.follows) await refuseReplaced(of.slot.storage, of.identity);
    await commit(of, id, manifest);
  } catch (e) {
    of.fail(e);
    throw e;
  }
}

async function commit({ slot, options }: CheckpointerOptions, id: number, manifest: Manifest): Promise<void> {
  // The sink that decides goes first: what others publish cannot be taken back.
  for (const { node, handle } of manifest.sinks.toSorted((a, b) => Number(b.decides ?? 0) - Number(a.decides ?? 0))) {
    await slot.sinks.get(node)?.commit?.(id, handle);
  }
  if (manifest.sinks.length > 0) {
    await slot.storage.create(`${slotFolder(manifest)}/${id}/${COMPLETED}`, Buffer.from("{}\n"));
  }
  for (const { node, reader } of slot.tasks.filter((task) => !task.broadcast)) {
    const positions = manifest.sources.find((s) => s.node === node)?.splits.map((s) => [s.id, s.position] as const);
    await reader.checkpointed?.(new Map(positions)).catch((e: unknown) => options.listener.warning?.(messageOf(e)));
  }
}
