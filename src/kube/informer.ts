import type { Selection } from "./client.ts";
import { noMeter } from "./meter.ts";
import type { ReflectorOptions, ReflectorSink } from "./reflector.ts";
import { runReflector } from "./reflector.ts";
import type { KubeObject, Resource } from "./resource.ts";
import { keyOf, refOf } from "./resource.ts";
import type { Handler, IndexFunction, Store } from "./store.ts";
import { createStore, isNewer } from "./store.ts";
import { systemTimers } from "./timers.ts";
import { createWaiters } from "./waiters.ts";

export interface Informer<T extends KubeObject> extends Store<T> {
  readonly resource: Resource;
  readonly selection: Selection;
  /** Also called once for each object that is there already. Returns the removal. */
  onChange(handler: Handler<T>): () => void;
  /** True once the first list is in the cache. */
  readonly hasSynced: boolean;
  /** When it last heard from the server or began to ask it, ms. It asks anew at least every `inactivityMs`. */
  readonly movedAt: number;
  /** Resolves when the first list is in the cache; rejects when the signal aborts first. */
  waitForSync(signal?: AbortSignal): Promise<void>;
  /**
   * Read your own write: resolves when the cache has seen the state that a write returned, so that the next decision is
   * not made on an older one. Rejects with API_UNAVAILABLE after `timeoutMs` (default 10 s): return the error, do not decide.
   */
  waitForWrite(written: KubeObject, options?: { signal?: AbortSignal; timeoutMs?: number }): Promise<void>;
  /** The same after a delete: resolves when this incarnation is gone from the cache or marked as deleting. */
  waitForDelete(key: string, uid: string, options?: { signal?: AbortSignal; timeoutMs?: number }): Promise<void>;
}

export interface InformerOptions<T extends KubeObject> extends Pick<
  ReflectorOptions<T>,
  "client" | "resource" | "selection" | "resyncMs" | "inactivityMs" | "onError" | "meter" | "timers"
> {
  readonly indexes?: Readonly<Record<string, IndexFunction<T>>>;
  /** Shrinks an object before it is kept; must keep its metadata. Default: drops managedFields, half of a small object. */
  readonly transform?: (object: T) => T;
}

/** The server keeps managedFields when an update leaves them out, so that a cached object can be sent back. */
function withoutManagedFields<T extends KubeObject>(object: T): T {
  const { managedFields: _, ...metadata } = object.metadata as T["metadata"] & { managedFields?: unknown };
  return { ...object, metadata };
}

export interface RunningInformer<T extends KubeObject> extends Informer<T> {
  /** Keeps the cache up to date until the signal aborts. */
  run(signal: AbortSignal): Promise<void>;
}

export function createInformer<T extends KubeObject>(options: InformerOptions<T>): RunningInformer<T> {
  const { resource, meter = noMeter, timers = systemTimers, transform = withoutManagedFields } = options;
  const labels = { resource: resource.plural };
  const store = createStore<T>(options.indexes ?? {}, options.onError);
  const waiters = createWaiters(timers);
  let seen = "";
  let synced = false;
  let heardAt = timers.elapsed();
  let triedAt = heardAt;

  const place = { ...labels, watched_namespace: options.selection?.namespace ?? "" };
  meter.gauge("kube_cache_objects", place, () => store.size);
  meter.gauge("kube_watch_silence_seconds", place, () => (timers.elapsed() - heardAt) / 1000);

  const sink: ReflectorSink<T> = {
    replace: (list, reason) => {
      const missed = store.replace(list.items.map(transform)).filter((o) => !isNewer(o.metadata.resourceVersion, seen));
      if (reason === "resync") meter.count("kube_cache_misses_total", labels, missed.length);
      synced = true;
    },
    apply: (type, object) => {
      if (type === "DELETED") store.remove(transform(object));
      else store.put(transform(object));
    },
    progress: (resourceVersion) => {
      heardAt = timers.elapsed();
      if (isNewer(resourceVersion, seen)) seen = resourceVersion;
      waiters.check();
    },
  };

  return {
    resource,
    selection: options.selection ?? {},
    get: store.get,
    list: store.list,
    byIndex: store.byIndex,
    get size() {
      return store.size;
    },
    onChange: store.onChange,
    get hasSynced() {
      return synced;
    },
    get movedAt() {
      return Math.max(heardAt, triedAt);
    },
    waitForSync: (signal) => waiters.wait(() => synced, { what: `the first list of ${resource.plural}`, signal }),
    waitForWrite: (written, { signal, timeoutMs = 10_000 } = {}) => {
      const key = keyOf(refOf(written));
      const wanted = written.metadata.resourceVersion;
      const reached = (): boolean => {
        const cached = store.get(key);
        const isThere = cached !== undefined && cached.metadata.uid === written.metadata.uid;
        return (isThere && !isNewer(wanted, cached.metadata.resourceVersion)) || !isNewer(wanted, seen);
      };
      return waiters.wait(reached, {
        what: `${resource.plural} ${key} at resourceVersion ${wanted}`,
        signal,
        timeoutMs,
      });
    },
    waitForDelete: (key, uid, { signal, timeoutMs = 10_000 } = {}) => {
      const reached = (): boolean => {
        const cached = store.get(key);
        return cached === undefined || cached.metadata.uid !== uid || cached.metadata.deletionTimestamp !== undefined;
      };
      return waiters.wait(reached, { what: `the deletion of ${resource.plural} ${key}`, signal, timeoutMs });
    },
    run: (signal) => {
      const onTry = (): void => {
        triedAt = timers.elapsed();
      };
      return runReflector({ ...options, sink, onTry }, signal);
    },
  };
}
