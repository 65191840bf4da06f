import type { KubeObject } from "./resource.ts";
import { keyOf, refOf } from "./resource.ts";

/** A read-only view of the cache. Objects in it are shared: never change one, clone it first. */
export interface Store<T extends KubeObject> {
  /** By `namespace/name` (see keyOf). */
  get(key: string): T | undefined;
  list(): T[];
  /** The objects that an index function gave this value for. */
  byIndex(index: string, value: string): T[];
  readonly size: number;
}

/** What happened to an object. `old` is what the cache had; after a missed deletion, it is the last known state. */
export interface Change<T> {
  readonly type: "Added" | "Modified" | "Deleted";
  readonly object: T;
  readonly old: T | undefined;
}

/** Handlers only enqueue keys; what they throw is reported and stops neither the cache nor the other handlers. */
export type Handler<T> = (change: Change<T>) => void;

/** The values under which an object is found by `byIndex`; an object that it throws on has none. Must not depend on time. */
export type IndexFunction<T> = (object: T) => readonly string[];

/** The cache of one informer. Only its reflector changes it; everything is synchronous, so readers see whole states. */
export interface MutableStore<T extends KubeObject> extends Store<T> {
  /** Makes the cache equal to a list, whatever it held; returns the states that it did not have. */
  replace(items: readonly T[]): T[];
  /** Adds or replaces; an older or equal state of the same incarnation is ignored. */
  put(object: T): void;
  /** Removes, unless the cache holds a later state than this tombstone. */
  remove(tombstone: T): void;
  onChange(handler: Handler<T>): () => void;
}

/**
 * Resource versions compare as integers: KEP-5504 made that part of the API, and every etcd-backed server did it before.
 * What is not an integer is treated as newer, so that it is never thrown away.
 */
export function isNewer(candidate: string | undefined, than: string | undefined): boolean {
  const [a, b] = [candidate ?? "", than ?? ""];
  if (!isInteger(a) || !isInteger(b)) return true;
  return a.length === b.length ? a > b : a.length > b.length;
}

const isInteger = (text: string): boolean => /^[1-9]\d*$/.test(text);

export function createStore<T extends KubeObject>(
  indexes: Readonly<Record<string, IndexFunction<T>>>,
  onError: (error: unknown) => void = rethrow,
): MutableStore<T> {
  const objects = new Map<string, T>();
  const index = createIndexes(indexes, onError);
  const handlers = new Set<Handler<T>>();

  const tell = (change: Change<T>): void => {
    for (const handler of handlers) notify(handler, change, onError);
  };

  const insert = (key: string, object: T, old: T | undefined): void => {
    if (old !== undefined) index.remove(key, old);
    objects.set(key, object);
    index.add(key, object);
    tell({ type: old === undefined ? "Added" : "Modified", object, old });
  };

  const erase = (key: string, old: T, last: T): void => {
    objects.delete(key);
    index.remove(key, old);
    tell({ type: "Deleted", object: last, old });
  };

  /** An object of another uid was deleted and made again while nobody watched: handlers must see both. */
  const overwrite = (object: T): void => {
    const key = keyOf(refOf(object));
    const old = objects.get(key);
    const isSame = old === undefined || old.metadata.uid === object.metadata.uid;
    if (!isSame) erase(key, old, old);
    insert(key, object, isSame ? old : undefined);
  };

  const held = (object: T): T | undefined => objects.get(keyOf(refOf(object)));

  return {
    get: (key) => objects.get(key),
    list: () => [...objects.values()],
    get size() {
      return objects.size;
    },
    byIndex: (name, value) =>
      [...index.keys(name, value)].flatMap((key) => {
        const object = objects.get(key);
        return object === undefined ? [] : [object];
      }),
    replace: (items) => {
      const kept = new Set(items.map((item) => keyOf(refOf(item))));
      for (const [key, old] of objects) if (!kept.has(key)) erase(key, old, old);
      const changed = items.filter((item) => held(item)?.metadata.resourceVersion !== item.metadata.resourceVersion);
      for (const item of changed) overwrite(item);
      return changed;
    },
    put: (object) => {
      if (isNewer(object.metadata.resourceVersion, held(object)?.metadata.resourceVersion)) overwrite(object);
    },
    remove: (tombstone) => {
      const key = keyOf(refOf(tombstone));
      const old = objects.get(key);
      if (old === undefined || isNewer(old.metadata.resourceVersion, tombstone.metadata.resourceVersion)) return;
      erase(key, old, tombstone);
    },
    onChange: (handler) => {
      handlers.add(handler);
      for (const object of objects.values()) notify(handler, { type: "Added", object, old: undefined }, onError);
      return () => handlers.delete(handler);
    },
  };
}

function notify<T>(handler: Handler<T>, change: Change<T>, onError: (error: unknown) => void): void {
  try {
    handler(change);
  } catch (e) {
    onError(e);
  }
}

/** A bug that nobody listens for must not be silent, and must not come up in the middle of a change. */
function rethrow(error: unknown): void {
  queueMicrotask(() => {
    throw error;
  });
}

interface Indexes<T> {
  add(key: string, object: T): void;
  remove(key: string, object: T): void;
  keys(index: string, value: string): Iterable<string>;
}

function createIndexes<T>(
  functions: Readonly<Record<string, IndexFunction<T>>>,
  onError: (error: unknown) => void,
): Indexes<T> {
  const tables = new Map(Object.keys(functions).map((name) => [name, new Map<string, Set<string>>()]));
  const valuesOf = (values: IndexFunction<T>, object: T): readonly string[] => {
    try {
      return values(object);
    } catch (e) {
      onError(e);
      return [];
    }
  };
  const visit = (object: T, touch: (table: Map<string, Set<string>>, value: string) => void): void => {
    for (const [name, values] of Object.entries(functions)) {
      const table = tables.get(name);
      if (table !== undefined) for (const value of valuesOf(values, object)) touch(table, value);
    }
  };
  return {
    add: (key, object) =>
      visit(object, (table, value) => {
        const keys = table.get(value);
        if (keys === undefined) table.set(value, new Set([key]));
        else keys.add(key);
      }),
    remove: (key, object) =>
      visit(object, (table, value) => {
        const keys = table.get(value);
        keys?.delete(key);
        if (keys?.size === 0) table.delete(value);
      }),
    keys: (index, value) => {
      const table = tables.get(index);
      if (table === undefined) throw new Error(`there is no index ${index}`);
      return table.get(value) ?? [];
    },
  };
}
