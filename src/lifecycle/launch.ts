import type { JobOperation } from "../api/streaming-job-status.schema.ts";
import { ownerOf, type RestorePoint } from "../api/worker-protocol.ts";
import type { Draft } from "./draft.ts";
import { act, targetOf } from "./draft.ts";
import { fixedFields } from "./forbidden.ts";
import type { LifecycleSpec, PodView } from "./input.ts";
import type { Launched } from "./memory.ts";
import { wantedOf } from "./overrides.ts";
import { isDurable, withoutSince } from "./restore-point.ts";
import { slotMemory, standing } from "./slots.ts";
import { hasTopics } from "./topics.ts";

/** The next epoch: above everything that this job ever used, also when its status was lost. */
export function nextEpoch(draft: Draft): number {
  const { pods, plans } = draft.input.observed;
  return Math.max(0, draft.status.epoch ?? 0, ...pods.map((p) => p.epoch), ...plans) + 1;
}

/** Writes the new epoch into the journal. Its ConfigMap and pods follow from it in `ensureWorkers`. */
export function openEpoch(
  draft: Draft,
  spec: LifecycleSpec,
  options: { operation: JobOperation; restore: RestorePoint; lineage: string },
): Launched {
  const { operation, lineage } = options;
  const target = targetOf(operation);
  const before = draft.memory.launched;
  const epoch = nextEpoch(draft);
  const copied = target.copyOf === undefined ? undefined : before;
  const { hash, generation } = copied ?? { hash: spec.launchHash, generation: draft.input.job.generation };
  const durable = isKept(spec, copied);
  const restore = durable ? options.restore : withoutSince(options.restore);
  const slots = target.slots ?? spec.parallelism;
  const exchange = exchangeOf(draft.input, { slots, restore }, before ?? draft.memory);
  const launched: Launched = {
    epoch,
    slots,
    hash,
    generation,
    restore,
    durable,
    ...(exchange === undefined ? {} : { exchange }),
    ...(target.copyOf === undefined ? {} : { copyOf: target.copyOf }),
  };
  // Also those that an older version has launched, which this epoch may have no word of any more.
  if (hasTopics(draft) || (exchange !== undefined && spec.exchanges.length > 0)) draft.memory.topics = true;
  draft.memory.launched = launched;
  if (copied === undefined) {
    draft.memory.fixed = fixedFields(spec);
    draft.status.planHash = spec.planHash;
  }
  draft.memory.slots = [];
  forgetFailures(draft);
  delete draft.memory.ended;
  delete draft.memory.startAs;
  draft.status.epoch = epoch;
  draft.status.jobId = `${draft.input.job.uid}-${epoch}`;
  draft.status.lineage = { id: lineage, hadState: false, ...sameLineage(draft, lineage), ...restoredFrom(restore) };
  delete draft.status.failure;
  return launched;
}

/** Whether the new epoch's checkpoints outlive its workers. */
const isKept = (spec: LifecycleSpec, copied: Launched | undefined): boolean => copied?.durable ?? isDurable(spec);

/** New workers wait for no try of those before. */
function forgetFailures({ memory, status }: Draft): void {
  memory.failures = [];
  if (status.restarts !== undefined) delete status.restarts.nextAt;
}

/**
 * A savepoint was taken with nothing on its way between workers, so what starts from it has new topics, or none for a
 * single worker. Checkpoints hold positions in the topics: whatever starts from those reads on in them, at any number.
 * Generations are times, because epochs begin anew with a job of the same name: what a deleted one has left must not be read.
 */
function exchangeOf(
  { now, job }: Draft["input"],
  { slots, restore }: Pick<Launched, "slots" | "restore">,
  before: Pick<Launched, "exchange">,
): Launched["exchange"] {
  const mayReadOn = restore.kind === "checkpoint" || restore.since !== undefined;
  const kept = mayReadOn ? before.exchange : undefined;
  if (kept !== undefined || slots === 1) return kept;
  return { generation: Math.max(now, (before.exchange?.generation ?? 0) + 1), owner: ownerOf(job.uid) };
}

function sameLineage(draft: Draft, lineage: string): { hadState?: boolean } {
  const before = draft.status.lineage;
  return before?.id === lineage ? { hadState: before.hadState } : {};
}

function restoredFrom(restore: RestorePoint): { restoredFrom?: { uri: string; verified: boolean } } {
  return restore.kind === "savepoint" ? { restoredFrom: { uri: restore.uri, verified: false } } : {};
}

/**
 * Brings the pods to what the journal says: exactly one pod a slot, of the current epoch and attempt. The only place
 * that asks for pods, so that no two epochs are ever up together.
 */
export function ensureWorkers(draft: Draft): void {
  const { launched } = draft.memory;
  sweep(draft);
  if (launched === undefined || launched.ending === true) return;
  if (standing(draft).some((p) => p.epoch !== launched.epoch)) return;
  const { observed } = draft.input;
  if (!observed.plans.includes(launched.epoch)) applyPlan(draft, launched);
  for (let slot = 0; slot < launched.slots; slot++) {
    const { attempt, seen } = slotMemory(draft, slot);
    const ofSlot = standing(draft).filter((p) => p.slot === slot);
    if (seen || ofSlot.length > 0) continue;
    act(draft, { kind: "CreatePod", epoch: launched.epoch, slot, attempt });
  }
}

function applyPlan(draft: Draft, launched: Launched): void {
  const { spec } = draft.input;
  act(draft, {
    kind: "ApplyPlan",
    epoch: launched.epoch,
    slots: launched.slots,
    lineage: draft.status.lineage?.id ?? "",
    restore: launched.restore,
    paused: spec !== undefined && wantedOf(draft, spec).desiredState === "Paused",
    ...(launched.exchange === undefined ? {} : { exchange: launched.exchange }),
    ...(launched.copyOf === undefined ? {} : { copyOf: launched.copyOf }),
  });
}

/** Removes what the journal no longer knows: pods of other epochs and attempts, plans nobody runs. */
function sweep(draft: Draft): void {
  const { launched } = draft.memory;
  const { pods, plans } = draft.input.observed;
  for (const pod of pods) {
    if (!pod.deleting && !belongs(draft, pod, launched)) deletePod(draft, pod);
  }
  // The plan before the current one stays until the new one has proved itself: a scale back relaunches it.
  const keep =
    launched === undefined
      ? []
      : [launched.epoch, ...(launched.stable === true ? [] : [launched.copyOf, previousPlan(draft)])];
  for (const epoch of plans) {
    if (!keep.includes(epoch) && !pods.some((p) => p.epoch === epoch)) act(draft, { kind: "DeletePlan", epoch });
  }
}

function previousPlan(draft: Draft): number | undefined {
  const current = draft.memory.launched?.epoch ?? Number.POSITIVE_INFINITY;
  const older = draft.input.observed.plans.filter((e) => e < current);
  return older.length === 0 ? undefined : Math.max(...older);
}

function belongs(draft: Draft, pod: PodView, launched: Launched | undefined): boolean {
  if (launched === undefined || pod.epoch !== launched.epoch || pod.slot >= launched.slots) return false;
  return pod.attempt === slotMemory(draft, pod.slot).attempt;
}

export function deletePod(draft: Draft, pod: PodView, force = false): void {
  const { actions } = draft;
  if (actions.some((a) => a.kind === "DeletePod" && a.name === pod.name)) return;
  act(draft, { kind: "DeletePod", name: pod.name, uid: pod.uid, force });
}
