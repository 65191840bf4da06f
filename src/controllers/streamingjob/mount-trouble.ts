import type { KubeClient } from "../../kube/client.ts";
import { events } from "../../kube/resource.ts";
import type { KubeObject } from "../../kube/resource.ts";
import type { PodView } from "../../lifecycle/input.ts";

/** A volume that is mounted without trouble is there sooner than this. */
const PATIENCE_MS = 2_000;
/** Between two looks at the Events of one pod. */
const LOOK_MS = 2_500;
const KEPT = 1_000;

interface PodEvent extends KubeObject {
  readonly note?: string;
}

/** Pods whose container is still being created, with what the kubelet says about it: it says so in Events only. */
export interface MountTroubles {
  explain(namespace: string, view: PodView, now: number): Promise<PodView>;
}

export function createMountTroubles(client: KubeClient): MountTroubles {
  const looks = new Map<string, { readonly at: number; readonly note: string | undefined }>();

  const look = async (namespace: string, uid: string): Promise<string | undefined> => {
    const fieldSelector = `regarding.uid=${uid},reason=FailedMount`;
    try {
      const { items } = await client.list<PodEvent>(events, { namespace, fieldSelector, limit: 5 });
      return items.at(-1)?.note;
    } catch {
      return undefined; // An explanation only: the job goes on without it, where Events may not be read, too.
    }
  };

  return {
    explain: async (namespace, view, now) => {
      if (view.waiting?.reason !== "ContainerCreating" || now - view.createdAt < PATIENCE_MS) {
        looks.delete(view.uid);
        return view;
      }
      const before = looks.get(view.uid);
      const fresh = before !== undefined && now - before.at < LOOK_MS;
      const note = fresh ? before.note : await look(namespace, view.uid);
      if (!fresh) looks.set(view.uid, { at: now, note });
      if (looks.size > KEPT) looks.delete(looks.keys().next().value ?? "");
      return note === undefined ? view : { ...view, waiting: { reason: "FailedMount", message: note.slice(0, 1000) } };
    },
  };
}
