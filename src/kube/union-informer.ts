import type { Informer } from "./informer.ts";
import type { KubeObject, ObjectRef, Resource } from "./resource.ts";
import { refOf, refOfKey } from "./resource.ts";
import type { Handler, Store } from "./store.ts";

/** What readers need of an informer, whether one or several are behind it. */
export interface SharedCache<T extends KubeObject> extends Store<T> {
  readonly resource: Resource;
  onChange(handler: Handler<T>): () => void;
  /** See Informer.waitForWrite; rejects at once for an object of a namespace that is not open. */
  waitForWrite(written: KubeObject): Promise<void>;
}

/**
 * The informers of several namespaces as one cache, so that the right to list a whole cluster is not needed. What an
 * informer holds is seen only once it is opened: who opens the informers of a namespace together never lets a reader
 * see a job without its pods.
 */
export interface UnionInformer<T extends KubeObject> extends SharedCache<T> {
  /** Shows the informer's objects; handlers see each as Added. `undefined` is the one of all namespaces. */
  open(namespace: string | undefined, informer: Informer<T>): void;
}

export function unionInformer<T extends KubeObject>(resource: Resource): UnionInformer<T> {
  const opened = new Map<string | undefined, Informer<T>>();
  const handlers = new Set<{ readonly handle: Handler<T>; readonly removals: (() => void)[] }>();
  const all = (): Informer<T>[] => [...opened.values()];
  const of = ({ namespace }: ObjectRef): Informer<T> | undefined => opened.get(namespace) ?? opened.get(undefined);

  return {
    resource,
    open: (namespace, informer) => {
      if (opened.has(namespace)) throw new Error(`namespace ${namespace ?? "*"} is open already`);
      opened.set(namespace, informer);
      for (const { handle, removals } of handlers) removals.push(informer.onChange(handle));
    },
    get: (key) => of(refOfKey(key))?.get(key),
    list: () => all().flatMap((informer) => informer.list()),
    byIndex: (index, value) => all().flatMap((informer) => informer.byIndex(index, value)),
    get size() {
      return all().reduce((sum, informer) => sum + informer.size, 0);
    },
    onChange: (handle) => {
      const entry = { handle, removals: all().map((informer) => informer.onChange(handle)) };
      handlers.add(entry);
      return () => {
        handlers.delete(entry);
        for (const remove of entry.removals) remove();
      };
    },
    waitForWrite: async (written) => {
      const informer = of(refOf(written));
      if (informer === undefined) throw new Error(`namespace ${written.metadata.namespace ?? ""} is not watched`);
      await informer.waitForWrite(written);
    },
  };
}
