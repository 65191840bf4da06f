import type { KubeClient } from "../kube/client.ts";
import { createInformer } from "../kube/informer.ts";
import type { InformerOptions, RunningInformer } from "../kube/informer.ts";
import { isForbidden } from "../kube/kube-error.ts";
import type { Meter } from "../kube/meter.ts";
import type { KubeObject, Resource } from "../kube/resource.ts";
import type { IndexFunction } from "../kube/store.ts";
import type { Timers } from "../kube/timers.ts";
import type { UnionInformer } from "../kube/union-informer.ts";
import { messageOf } from "../errors.ts";

/** What the operator sees of one namespace, or of all of them. */
export interface WatchedNamespace {
  /** `undefined` is all of them. */
  readonly name: string | undefined;
  /**
   * Syncing: the first lists are not complete. Open: its jobs are looked after. Refused: the API server forbids a list,
   * so nothing is done there; asked again with back-off, because a Role may still come.
   */
  readonly state: "Syncing" | "Open" | "Refused";
  /** Why it is not open, in the API server's words. */
  readonly problem: string | undefined;
}

export interface NamespaceWatch {
  readonly namespace: WatchedNamespace;
  /** The reflector that has done nothing for longest. */
  readonly slowest: Mover;
  /** Lists and watches until the signal aborts. */
  run(signal: AbortSignal): Promise<void>;
}

/** Something that has to move, and when it last did, ms. */
export interface Mover {
  readonly name: string;
  readonly movedAt: number;
}

/** One kind to be watched, and the cache that its objects are shown in. */
export interface WatchedKind<T extends KubeObject> {
  readonly cache: UnionInformer<T>;
  readonly labelSelector?: string | undefined;
  readonly indexes: Readonly<Record<string, IndexFunction<T>>>;
}

/** A kind without its type, so that kinds of several types make one list. */
export type KindWatch = (namespace: string | undefined, options: MemberOptions) => Member;

export function kindWatch<T extends KubeObject>({ cache, labelSelector, indexes }: WatchedKind<T>): KindWatch {
  const { resource } = cache;
  return (namespace, { failed, ...options }) => {
    const informer = createInformer<T>({
      ...options,
      resource,
      indexes,
      selection: { namespace, labelSelector },
      onError: (e) => failed(resource, e),
    });
    return { informer, open: () => cache.open(namespace, informer) };
  };
}

type MemberOptions = Pick<InformerOptions<KubeObject>, "client" | "timers" | "meter" | "resyncMs"> & {
  readonly failed: (resource: Resource, error: unknown) => void;
};

export interface NamespaceWatchOptions {
  readonly client: KubeClient;
  readonly timers: Timers;
  readonly meter: Meter;
  readonly resyncMs?: number | undefined;
  readonly onError: (what: string, error: unknown) => void;
  /** Its state or its problem is another one. */
  readonly changed: (namespace: WatchedNamespace) => void;
}

/**
 * Watches all kinds in one namespace and opens them together: with its jobs but without its pods, a namespace would look
 * as if nothing ran. What goes wrong here is no other namespace's trouble.
 */
export function watchNamespace(
  name: string | undefined,
  kinds: readonly KindWatch[],
  options: NamespaceWatchOptions,
): NamespaceWatch {
  const { timers, meter, client, resyncMs } = options;
  const problems = new Map<Resource, { readonly forbidden: boolean; readonly message: string }>();
  let current: WatchedNamespace = { name, state: "Syncing", problem: undefined };
  meter.gauge("namespace_watched", { watched_namespace: name ?? "" }, () => (current.state === "Open" ? 1 : 0));

  const update = (): void => {
    const isOpen = current.state === "Open" || members.every((m) => m.informer.hasSynced);
    const worst = [...problems.values()].toSorted((a, b) => Number(b.forbidden) - Number(a.forbidden))[0];
    const closed = worst?.forbidden === true ? "Refused" : "Syncing";
    const next: WatchedNamespace = isOpen
      ? { name, state: "Open", problem: undefined }
      : { name, state: closed, problem: worst?.message };
    const before = current;
    current = next;
    if (isOpen && before.state !== "Open") for (const member of members) member.open();
    if (before.state !== next.state || before.problem !== next.problem) options.changed(next);
  };

  const failed = (resource: Resource, error: unknown): void => {
    if (current.state === "Open") return options.onError(`watch ${resource.plural} ${name ?? ""}`.trim(), error);
    problems.set(resource, { forbidden: isForbidden(error), message: messageOf(error) });
    update();
  };

  const resync = resyncMs === undefined ? {} : { resyncMs };
  const members = kinds.map((kind) => kind(name, { client, timers, meter, failed, ...resync }));

  const runMember = async ({ informer }: Member, signal: AbortSignal): Promise<void> => {
    const synced = informer.waitForSync(signal).then(
      () => {
        problems.delete(informer.resource);
        update();
      },
      () => undefined, // the signal came first
    );
    await Promise.all([informer.run(signal), synced]);
  };
  return {
    get namespace() {
      return current;
    },
    get slowest() {
      const movers = members.map(({ informer }) => ({
        name: `the watch of ${informer.resource.plural}${name === undefined ? "" : ` in ${name}`}`,
        movedAt: informer.movedAt,
      }));
      return movers.reduce((a, b) => (b.movedAt < a.movedAt ? b : a));
    },
    run: async (signal) => {
      await Promise.all(members.map((member) => runMember(member, signal)));
    },
  };
}

interface Member {
  readonly informer: Pick<RunningInformer<KubeObject>, "resource" | "hasSynced" | "movedAt" | "run" | "waitForSync">;
  open(): void;
}
