import type { Draft } from "./draft.ts";
import type { PodView, Refusal, WorkerView } from "./input.ts";
import type { Launched, SlotMemory } from "./memory.ts";

/** One slot of the running epoch with everything that is known of it. */
export interface SlotView {
  readonly slot: number;
  readonly memory: SlotMemory;
  /** The pod of the current attempt. */
  readonly pod: PodView | undefined;
  /** Its savepoint is the one of the operation in flight: a worker may still speak of that of an operation before. */
  readonly worker: WorkerView | undefined;
  /** Why the cluster takes or has taken the pod away through no fault of its own. */
  readonly disruption: Refusal | undefined;
}

export function slotMemory(draft: Draft, slot: number): SlotMemory {
  const known = draft.memory.slots.find((s) => s.slot === slot);
  if (known !== undefined) return known;
  const fresh: SlotMemory = { slot, attempt: 0, failures: 0, seen: false };
  draft.memory.slots.push(fresh);
  return fresh;
}

export function slotViews(draft: Draft, launched: Launched): SlotView[] {
  const { pods, workers, moved = [] } = draft.input.observed;
  const current = draft.status.operation?.id;
  return Array.from({ length: launched.slots }, (_, slot) => {
    const memory = slotMemory(draft, slot);
    const same = (o: { epoch: number; slot: number; attempt: number }): boolean =>
      o.epoch === launched.epoch && o.slot === slot && o.attempt === memory.attempt;
    const pod = pods.find(same);
    const { disruption } = pod ?? moved.find(same) ?? {};
    const said = workers.find(same);
    const isForeign = said?.savepoint !== undefined && said.savepoint.id !== current;
    return { slot, memory, pod, worker: isForeign ? { ...said, savepoint: undefined } : said, disruption };
  });
}

const UP: readonly string[] = ["Running", "Paused", "Stopping", "Finished"];

export function isUp({ pod, worker }: SlotView): boolean {
  if (pod === undefined || pod.deleting) return false;
  return pod.phase === "Succeeded" || (worker !== undefined && worker.reachable && UP.includes(worker.phase ?? ""));
}

export function isDone({ pod }: SlotView): boolean {
  return pod?.phase === "Succeeded";
}

/** A pod that will not come back by itself. */
export function isLost({ pod, memory }: SlotView): boolean {
  if (pod === undefined) return memory.seen;
  return pod.deleting || pod.lost || pod.phase === "Failed";
}

/** Pods that still may do something. Of a lost node nothing more is heard: fencing by attempt makes its pods harmless. */
export function standing(draft: Draft): PodView[] {
  return draft.input.observed.pods.filter((p) => !(p.deleting && p.lost));
}
