import { workerEvent } from "../../api/worker-protocol.ts";
import type { SavepointStatus } from "../../api/worker-protocol.ts";
import type { Timers } from "../../kube/timers.ts";
import { pause } from "../../kube/timers.ts";
import type { WorkerAddress, WorkerClient } from "./worker-client.ts";
import { applyEvent, applyStatus, freshState } from "./worker-state.ts";
import type { Weight, WorkerState } from "./worker-state.ts";

/** A worker sends a heartbeat each second; after this many ms of silence it does not answer. */
export const SILENCE_MS = 5_000;
const RETRY_MS = 500;
const MAX_LINE = 1024 * 1024;

export interface Connection {
  readonly state: WorkerState;
  readonly address: WorkerAddress;
  /** It answered within the heartbeat's time. */
  reachable(): boolean;
  /** Resolves when the first try has ended, well or not: until then nothing is known, and nothing should be decided. */
  readonly tried: Promise<void>;
  /** Asks for the status now, for example after a command. */
  refresh(): Promise<void>;
  /** Its part of a savepoint. A completed part is asked for again only so that its worker stays until all are complete. */
  savepoint(id: string): Promise<SavepointStatus | undefined>;
  close(): void;
}

export interface ConnectionOptions {
  readonly client: WorkerClient;
  readonly timers: Timers;
  /** When the worker that this one replaces saved last: its successor goes on from there, and is as old. */
  readonly savedAt?: number | undefined;
  readonly silenceMs?: number | undefined;
  /** Something changed; `Live` may be looked at together with what follows. */
  readonly changed: (weight: Exclude<Weight, "None">) => void;
}

/** Keeps one event stream open until it is closed: a lost node sends no FIN, so silence ends a stream too. */
export function openConnection(address: WorkerAddress, options: ConnectionOptions): Connection {
  const { client, timers, changed, silenceMs = SILENCE_MS } = options;
  const state = { ...freshState(), savedAt: options.savedAt };
  const abort = new AbortController();
  const firstTry = Promise.withResolvers<void>();
  let wasReachable = false;
  let seenAt: number | undefined;

  const reachable = (): boolean => seenAt !== undefined && timers.elapsed() - seenAt <= silenceMs;
  const noteReach = (): void => {
    if (reachable() === wasReachable) return;
    wasReachable = reachable();
    changed("Change");
  };

  const refresh = async (): Promise<void> => {
    try {
      const before = state.phase;
      applyStatus(state, await client.status(address), timers.now());
      seenAt = timers.elapsed();
      if (state.phase !== before) changed("Change");
      noteReach();
    } catch {
      // the stream's watchdog says whether the worker is gone
    }
  };

  const take = (line: string): void => {
    const event = parse(line);
    if (event === undefined || abort.signal.aborted) return;
    const weight = applyEvent(state, event, timers.now());
    seenAt = timers.elapsed();
    if (event.type === "started" || event.type === "savepoint") void refresh();
    if (weight !== "None") changed(weight);
    noteReach();
  };

  const readOnce = async (): Promise<void> => {
    const stream = new AbortController();
    await refresh();
    firstTry.resolve();
    const bytes = await client.events(address, AbortSignal.any([abort.signal, stream.signal]));
    let heard = timers.elapsed();
    const watchdog = (): void => {
      if (timers.elapsed() - heard > silenceMs) stream.abort();
      else cancel = timers.after(1_000, watchdog);
    };
    let cancel = timers.after(1_000, watchdog);
    try {
      for await (const lines of linesOf(bytes)) {
        heard = timers.elapsed();
        lines.forEach(take);
        if (state.phase === "Starting" || state.phase === "Restoring") void refresh();
      }
    } finally {
      cancel();
    }
  };

  const run = async (): Promise<void> => {
    while (!abort.signal.aborted) {
      await readOnce().catch(() => undefined);
      firstTry.resolve();
      noteReach();
      await pause(timers, RETRY_MS, abort.signal);
      noteReach();
    }
  };
  void run();

  return {
    state,
    address,
    reachable,
    // Nobody is called silent sooner than after a silence, also not by an operator that has just started and is busy with a
    // thousand jobs.
    tried: Promise.race([firstTry.promise, pause(timers, silenceMs, abort.signal)]),
    refresh,
    savepoint: async (id) => {
      const known = state.savepoint;
      if (known?.id === id && known.state === "Completed") void client.savepoint(address, id).catch(() => undefined);
      if (known?.id === id && known.state !== "InProgress") return known;
      state.savepoint = await client.savepoint(address, id).catch(() => undefined);
      return state.savepoint;
    },
    close: () => abort.abort(),
  };
}

/** Whole lines as they arrive. A line without end is cut: it is no event then, and is dropped. */
async function* linesOf(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<string[]> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const chunk of bytes) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
    rest = (lines.pop() ?? "").slice(0, MAX_LINE);
    yield lines.filter((line) => line !== "");
  }
}

function parse(line: string): ReturnType<typeof workerEvent.safeParse>["data"] {
  try {
    return workerEvent.safeParse(JSON.parse(line)).data;
  } catch {
    return undefined;
  }
}
