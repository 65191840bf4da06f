import { isWeirError } from "../errors.ts";
import { reconnectBackoff } from "./backoff.ts";
import type { KubeClient, KubeList, Selection } from "./client.ts";
import { KubeError, isExpired } from "./kube-error.ts";
import type { Meter } from "./meter.ts";
import { noMeter } from "./meter.ts";
import type { KubeObject, Resource } from "./resource.ts";
import { isNewer } from "./store.ts";
import type { Timers } from "./timers.ts";
import { pause, systemTimers } from "./timers.ts";
import type { WatchEvent } from "./watch-stream.ts";

/** Who holds what the reflector sees. Called synchronously, in the order of the server. */
export interface ReflectorSink<T> {
  /** Everything there is. */
  replace(list: KubeList<T>, reason: RelistReason): void;
  apply(type: "ADDED" | "MODIFIED" | "DELETED", object: T): void;
  /** Everything up to this resourceVersion has been seen. */
  progress(resourceVersion: string): void;
}

export type RelistReason = "initial" | "expired" | "resync";

export interface ReflectorOptions<T extends KubeObject> {
  readonly client: KubeClient;
  readonly resource: Resource;
  readonly selection?: Selection;
  readonly sink: ReflectorSink<T>;
  /** A full list this often (jittered by a fifth) finds what a faulty server or proxy lost. Default 10 minutes. */
  readonly resyncMs?: number;
  /** A connection without a line for this long is dead; bookmarks come every minute. Default 150 s. */
  readonly inactivityMs?: number;
  /** Sees every failure; the reflector goes on by itself. */
  readonly onError?: (error: unknown) => void;
  /** Called whenever it begins to list or watch: a reflector that does neither, and hears nothing, is stuck. */
  readonly onTry?: () => void;
  readonly meter?: Meter;
  readonly timers?: Timers;
}

/**
 * Lists and watches until the signal aborts; that is its only end. It resumes from the last resourceVersion seen,
 * lists again when the server has forgotten it (410), and backs off while the server fails.
 */
export async function runReflector<T extends KubeObject>(
  options: ReflectorOptions<T>,
  signal: AbortSignal,
): Promise<void> {
  const { timers = systemTimers, meter = noMeter, resyncMs = 600_000 } = options;
  const backoff = reconnectBackoff(timers);
  const labels = { resource: options.resource.plural };
  const position: Position = { resourceVersion: "", relistAt: 0 };
  const isFromThePast = pastDetector(timers);
  let relistFor: RelistReason | undefined = "initial";

  const relist = async (reason: RelistReason): Promise<void> => {
    const list = await listAll(options, signal);
    if (isFromThePast(list.resourceVersion, position.resourceVersion)) {
      const message = `the list at ${list.resourceVersion} is older than ${position.resourceVersion}, seen before`;
      throw new KubeError(`list ${options.resource.plural}`, 0, { reason: "StaleList", message });
    }
    options.sink.replace(list, reason);
    options.sink.progress(list.resourceVersion);
    meter.count("kube_relists_total", { ...labels, reason });
    position.resourceVersion = list.resourceVersion;
    position.relistAt = timers.elapsed() + resyncMs * (0.9 + timers.random() * 0.2);
    relistFor = undefined;
  };

  const step = async (): Promise<void> => {
    options.onTry?.();
    if (relistFor === undefined && timers.elapsed() >= position.relistAt) relistFor = "resync";
    if (relistFor !== undefined) await relist(relistFor);
    await watchOnce(options, position, signal);
  };

  while (!signal.aborted) {
    const started = timers.elapsed();
    try {
      await step();
      meter.count("kube_watch_restarts_total", { ...labels, reason: "ended" });
      // A server that ends every watch at once must not be asked in a tight loop.
      if (timers.elapsed() - started < 1_000) await pause(timers, backoff.next(), signal);
    } catch (e) {
      if (signal.aborted) return;
      options.onError?.(e);
      if (isExpired(e)) relistFor = "expired";
      meter.count("kube_watch_restarts_total", { ...labels, reason: reasonOf(e) });
      const wait = backoff.next();
      await pause(timers, Math.max(wait, isWeirError(e) ? (e.retryAfterMs ?? 0) : 0), signal);
    }
  }
}

/**
 * A member of the control plane that lags must not take the cache back in time. But after two minutes of nothing but older
 * lists, etcd was restored from a backup, and the past is the present.
 */
function pastDetector(timers: Timers): (listed: string, seen: string) => boolean {
  let since: number | undefined;
  return (listed, seen) => {
    if (seen === "" || !isNewer(seen, listed)) {
      since = undefined;
      return false;
    }
    since ??= timers.elapsed();
    return timers.elapsed() - since < 120_000;
  };
}

interface Position {
  resourceVersion: string;
  relistAt: number;
}

function reasonOf(e: unknown): string {
  return e instanceof Error && "statusReason" in e && typeof e.statusReason === "string" ? e.statusReason : "Unknown";
}

/** Pages; when the continue token expires in between, everything in one answer (as client-go's pager does). */
async function listAll<T extends KubeObject>(options: ReflectorOptions<T>, signal: AbortSignal): Promise<KubeList<T>> {
  const { client, resource, selection = {} } = options;
  try {
    return await client.list<T>(resource, { ...selection, signal });
  } catch (e) {
    if (!isExpired(e)) throw e;
    return client.list<T>(resource, { ...selection, signal, limit: 0 });
  }
}

/** One connection. `position` moves with every event, so that the next one resumes where this one ended. */
async function watchOnce<T extends KubeObject>(
  options: ReflectorOptions<T>,
  position: Position,
  signal: AbortSignal,
): Promise<void> {
  const { timers = systemTimers, inactivityMs = 150_000 } = options;
  const timeoutSeconds = Math.ceil(300 + timers.random() * 300);
  const connection = new AbortController();
  const abort = (): void => connection.abort();
  signal.addEventListener("abort", abort, { once: true });
  const cancelResync = timers.after(Math.max(position.relistAt - timers.elapsed(), 0), abort);
  let cancelWatchdog = timers.after(inactivityMs, abort);
  try {
    const events = await options.client.watch<T>(options.resource, {
      ...options.selection,
      resourceVersion: position.resourceVersion,
      timeoutSeconds,
      signal: connection.signal,
    });
    for await (const event of events) {
      cancelWatchdog();
      cancelWatchdog = timers.after(inactivityMs, abort);
      deliver(options.sink, position, event);
    }
  } catch (e) {
    if (!connection.signal.aborted || signal.aborted) throw e;
  } finally {
    cancelResync();
    cancelWatchdog();
    signal.removeEventListener("abort", abort);
  }
}

function deliver<T extends KubeObject>(sink: ReflectorSink<T>, position: Position, event: WatchEvent<T>): void {
  const { resourceVersion } = event.object.metadata;
  if (event.type !== "BOOKMARK") sink.apply(event.type, event.object);
  if (resourceVersion === undefined) return;
  position.resourceVersion = resourceVersion;
  sink.progress(resourceVersion);
}
