import { catalogue } from "../errors.ts";
import type { Draft } from "./draft.ts";
import type { LifecycleSpec, Refusal } from "./input.ts";
import { isNew } from "./restore-point.ts";

/** The fields of class Forbidden in the table of changes: state that was made with one value cannot go on with another. */
export const FORBIDDEN = ["engine", "maxParallelism"] as const satisfies readonly (keyof LifecycleSpec)[];
type FixedFields = Pick<LifecycleSpec, (typeof FORBIDDEN)[number]>;

export function fixedFields(spec: LifecycleSpec): FixedFields {
  return { engine: spec.engine, maxParallelism: spec.maxParallelism };
}

/** Why the spec cannot be launched upon the state that the job has; the running epoch goes on as it is. */
export function forbiddenChange(draft: Draft, spec: LifecycleSpec): Refusal | undefined {
  const { fixed } = draft.memory;
  if (fixed === undefined || !needsState(draft, spec)) return undefined;
  return changedField(fixed, spec);
}

/** An upgrade that its workers would refuse is not begun: the job would be stopped for it, and fail. */
export function misfit(draft: Draft, spec: LifecycleSpec): Refusal | undefined {
  const reason = draft.input.observed.misfit;
  if (reason === undefined || draft.memory.launched === undefined || !needsState(draft, spec)) return undefined;
  if (spec.upgrade.mode === "Stateless") return undefined;
  const message = `the state of the job does not fit the changed spec: ${reason}. The job goes on as it was`;
  return { reason: catalogue.RESTORE_REFUSED.reason, message };
}

function changedField(fixed: NonNullable<Draft["memory"]["fixed"]>, spec: LifecycleSpec): Refusal | undefined {
  const changed = FORBIDDEN.filter((field) => spec[field] !== fixed[field]);
  if (changed.length === 0) return undefined;
  const what = changed.map((field) => `spec.${field} from ${fixed[field]} to ${spec[field]}`).join(" and ");
  const back = changed.map((field) => `${field} to ${fixed[field]}`).join(" and ");
  return {
    reason: "ForbiddenChange",
    message: `the state of the job does not allow to change ${what}; set ${back} again, or stop the job and start it without its state: desiredState Stopped, then Running with a new value of spec.startFrom.acceptEmptyState`,
  };
}

const needsState = (draft: Draft, spec: LifecycleSpec): boolean => hasState(draft) && !leavesState(draft, spec);

function hasState({ status, memory }: Draft): boolean {
  return status.lineage?.hadState === true || (memory.restorePoint ?? { kind: "none" }).kind !== "none";
}

/** The next start takes other state, or none, because the user said so; whether that fits is seen when it is restored. */
function leavesState({ memory }: Draft, { startFrom }: LifecycleSpec): boolean {
  if (memory.launched !== undefined) return false;
  const { savepoint, acceptEmptyState } = startFrom;
  return (
    memory.startAs !== undefined ||
    isNew(savepoint, memory.used.startFrom) ||
    isNew(acceptEmptyState, memory.used.emptyState)
  );
}
