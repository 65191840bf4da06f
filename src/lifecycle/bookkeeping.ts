import type { Draft } from "./draft.ts";
import { tell } from "./draft.ts";
import type { Difference } from "./figures.ts";
import { difference, figuresOf } from "./figures.ts";
import type { Launched, SlotMemory } from "./memory.ts";
import { isDurable, restoreAfter } from "./restore-point.ts";
import type { SlotView } from "./slots.ts";
import { isUp, slotViews } from "./slots.ts";

/** Figures change all the time; status is written when they mean something else than before, at most this often. */
const MEASURE_EVERY_MS = 30_000;
/** Notes what the workers report: checkpoints (what is safe), and coarse figures. */
export function bookkeep(draft: Draft): void {
  const { launched } = draft.memory;
  if (launched === undefined) return;
  const slots = slotViews(draft, launched);
  for (const { pod, memory } of slots) memory.seen ||= pod !== undefined || wasCreated(draft, launched.epoch, memory);
  noteSavedState(draft, launched, slots);
  noteRestored(draft, slots);
  draft.status.readyWorkers = slots.filter(isUp).length;
  measure(draft, launched, slots);
}

/** A pod that came and went between two decisions may still run as a zombie: its attempt must not be given out again. */
function wasCreated({ input }: Draft, epoch: number, { slot, attempt }: SlotMemory): boolean {
  return input.observed.created.some((w) => w.epoch === epoch && w.slot === slot && w.attempt === attempt);
}

function noteSavedState(draft: Draft, launched: Launched, slots: readonly SlotView[]): void {
  const { spec } = draft.input;
  if (spec === undefined || !(launched.durable ?? isDurable(spec))) return;
  if (slots.some((s) => s.worker?.checkpoint?.ok === true)) {
    draft.status.lineage = { ...lineageOf(draft), hadState: true };
  }
  if (launched.ran !== true && slots.some(hasRun)) {
    launched.ran = true;
    draft.memory.restorePoint = restoreAfter(launched);
  }
}

function hasRun({ worker, pod }: SlotView): boolean {
  const { phase, checkpoint } = worker ?? {};
  return (
    pod?.phase === "Succeeded" ||
    checkpoint !== undefined ||
    phase === "Running" ||
    phase === "Paused" ||
    phase === "Finished"
  );
}

function lineageOf(draft: Draft): NonNullable<Draft["status"]["lineage"]> {
  return (
    draft.status.lineage ?? { id: `${draft.input.job.uid.slice(0, 8)}-${draft.status.epoch ?? 0}`, hadState: false }
  );
}

function noteRestored(draft: Draft, slots: readonly SlotView[]): void {
  const uri = slots.find((s) => s.worker?.restored !== undefined)?.worker?.restored;
  const lineage = draft.status.lineage;
  if (uri === undefined || lineage === undefined || slots.some((s) => s.worker?.restored === undefined)) return;
  if (lineage.restoredFrom?.uri === uri && lineage.restoredFrom.verified) return;
  lineage.restoredFrom = { uri, verified: true };
  tell(draft, "Normal", "Restored", `restored from ${uri}`);
}

const PAUSE_MS: Readonly<Record<Difference, number>> = {
  None: Number.POSITIVE_INFINITY,
  Moved: MEASURE_EVERY_MS,
  Jumped: 2_000,
  Turned: 0,
};

function measure(draft: Draft, launched: Launched, slots: readonly SlotView[]): void {
  const { now } = draft.input;
  const figures = figuresOf(slots, now);
  const since = now - (draft.memory.measuredAt ?? 0);
  if (since < PAUSE_MS[difference(draft.status, figures)]) return;
  draft.memory.measuredAt = now;
  Object.assign(draft.status, figures);
  draft.status.jobId = `${draft.input.job.uid}-${launched.epoch}`;
}
