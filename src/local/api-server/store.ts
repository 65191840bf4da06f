import type { KubeObject } from "./object.ts";
import { withMeta } from "./object.ts";

export type ChangeType = "ADDED" | "MODIFIED" | "DELETED";

/** One committed write, as watchers and the garbage collector see it. */
export interface Change {
  readonly type: ChangeType;
  /** Storage key of the kind. */
  readonly key: string;
  readonly object: KubeObject;
  readonly previous: KubeObject | undefined;
  readonly revision: number;
}

export interface Store {
  revision(): number;
  get(key: string, namespace: string, name: string): KubeObject | undefined;
  /** Ordered by namespace and name, like the keys of etcd. */
  list(key: string, namespace?: string): KubeObject[];
  byUid(uid: string): KubeObject | undefined;
  /** Objects that name this uid as an owner. */
  dependents(uid: string): { key: string; object: KubeObject }[];
  /** Creates or replaces; the stored object carries the new resourceVersion. */
  put(key: string, object: KubeObject): KubeObject;
  /** Removes; the answer carries the revision of the deletion. */
  remove(key: string, object: KubeObject): KubeObject;
  subscribe(listener: (change: Change) => void): () => void;
  /** Changes of a kind after a revision, oldest first; undefined when the window no longer reaches back that far. */
  since(key: string, revision: number): readonly Change[] | undefined;
}

export interface StoreOptions {
  /** How many changes of one kind are remembered for watches that resume. */
  window?: number;
}

interface KindHistory {
  changes: Change[];
  /** The highest revision that has been forgotten. */
  forgotten: number;
}

function placeOf(namespace: string, name: string): string {
  return `${namespace}/${name}`;
}

export function createStore(options: StoreOptions = {}): Store {
  const window = options.window ?? 10_000;
  const kinds = new Map<string, Map<string, KubeObject>>();
  const uids = new Map<string, KubeObject>();
  const owned = new Map<string, Map<string, { key: string; object: KubeObject }>>();
  const histories = new Map<string, KindHistory>();
  const listeners = new Set<(change: Change) => void>();
  let revision = 1;

  const kind = (key: string): Map<string, KubeObject> => {
    const known = kinds.get(key) ?? new Map<string, KubeObject>();
    kinds.set(key, known);
    return known;
  };
  const unindex = (object: KubeObject): void => {
    const uid = object.metadata.uid ?? "";
    uids.delete(uid);
    for (const owner of object.metadata.ownerReferences ?? []) {
      const children = owned.get(owner.uid);
      children?.delete(uid);
      if (children?.size === 0) owned.delete(owner.uid);
    }
  };
  const index = (key: string, object: KubeObject): void => {
    const uid = object.metadata.uid ?? "";
    uids.set(uid, object);
    for (const owner of object.metadata.ownerReferences ?? []) {
      const children = owned.get(owner.uid) ?? new Map<string, { key: string; object: KubeObject }>();
      owned.set(owner.uid, children.set(uid, { key, object }));
    }
  };
  const commit = (change: Change): void => {
    const history = histories.get(change.key) ?? { changes: [], forgotten: 0 };
    histories.set(change.key, history);
    history.changes.push(change);
    // Dropping in large steps keeps the cost of a write constant.
    if (history.changes.length > window * 2) {
      const dropped = history.changes.splice(0, history.changes.length - window);
      history.forgotten = dropped.at(-1)?.revision ?? history.forgotten;
    }
    for (const listener of listeners) listener(change);
  };

  return {
    revision: () => revision,
    get: (key, namespace, name) => kinds.get(key)?.get(placeOf(namespace, name)),
    list: (key, namespace) => {
      const all = [...(kinds.get(key) ?? [])].filter(
        ([, object]) => namespace === undefined || (object.metadata.namespace ?? "") === namespace,
      );
      return all.toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, object]) => object);
    },
    byUid: (uid) => uids.get(uid),
    dependents: (uid) => [...(owned.get(uid)?.values() ?? [])],
    put: (key, object) => {
      const place = placeOf(object.metadata.namespace ?? "", object.metadata.name);
      const previous = kind(key).get(place);
      revision += 1;
      const stored = withMeta(object, { resourceVersion: String(revision) });
      if (previous !== undefined) unindex(previous);
      kind(key).set(place, stored);
      index(key, stored);
      commit({ type: previous === undefined ? "ADDED" : "MODIFIED", key, object: stored, previous, revision });
      return stored;
    },
    remove: (key, object) => {
      const place = placeOf(object.metadata.namespace ?? "", object.metadata.name);
      const previous = kind(key).get(place);
      revision += 1;
      const last = withMeta(object, { resourceVersion: String(revision) });
      kind(key).delete(place);
      if (previous !== undefined) unindex(previous);
      commit({ type: "DELETED", key, object: last, previous, revision });
      return last;
    },
    subscribe: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    since: (key, from) => {
      const history = histories.get(key);
      if (history === undefined) return [];
      if (from < history.forgotten) return undefined;
      return history.changes.filter((change) => change.revision > from);
    },
  };
}
