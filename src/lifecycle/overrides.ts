import type { Draft } from "./draft.ts";
import { instant } from "./draft.ts";
import { forbiddenChange, misfit } from "./forbidden.ts";
import type { LifecycleSpec, Refusal } from "./input.ts";

/**
 * A verb or a policy never writes the user's spec: it puts an override into status. It lasts until the user changes that
 * field of the spec, or somebody asks for the opposite.
 */
export type OverrideField = "desiredState" | "parallelism";

export interface Wanted {
  readonly desiredState: "Running" | "Paused" | "Stopped";
  readonly parallelism: number;
}

const specValue = (spec: LifecycleSpec, field: OverrideField): string => String(spec[field]);

export function setOverride(
  draft: Draft,
  spec: LifecycleSpec,
  set: { field: OverrideField; value: string; by: string },
): void {
  clearOverride(draft, set.field);
  const own = specValue(spec, set.field);
  if (own === set.value) return;
  draft.status.overrides = [
    ...(draft.status.overrides ?? []),
    { ...set, by: set.by.slice(0, 512), since: instant(draft.input.now), specValue: own },
  ];
}

export function clearOverride(draft: Draft, field: OverrideField): void {
  const rest = (draft.status.overrides ?? []).filter((o) => o.field !== field);
  if (rest.length > 0) draft.status.overrides = rest;
  else delete draft.status.overrides;
}

/** Ends the overrides whose field the user has changed since. */
export function endOverrides(draft: Draft, spec: LifecycleSpec): void {
  for (const o of draft.status.overrides ?? []) {
    const field = o.field as OverrideField;
    if (o.specValue !== specValue(spec, field)) clearOverride(draft, field);
  }
}

type Holder = Pick<Draft, "status">;

export function overrideOf(draft: Holder, field: OverrideField): string | undefined {
  return draft.status.overrides?.find((o) => o.field === field)?.value;
}

/** What is wanted now: the spec, with what verbs and policies put over it. */
export function wantedOf(draft: Holder, spec: LifecycleSpec): Wanted {
  const parallelism = Number(overrideOf(draft, "parallelism") ?? spec.parallelism);
  const desiredState = (overrideOf(draft, "desiredState") ?? spec.desiredState) as Wanted["desiredState"];
  return { desiredState, parallelism };
}

/** Who asked for what is wanted of a field. */
export function askedBy(draft: Holder, field: OverrideField): string {
  return draft.status.overrides?.find((o) => o.field === field)?.by ?? "spec";
}

/**
 * Why what is wanted must not be launched: the spec is refused, changes what the state fixes, or asks for more workers than its
 * plan can use; or, where it is right by itself, the state does not fit it.
 */
export function refusalOf(draft: Draft, spec: LifecycleSpec): Refusal | undefined {
  return draft.input.refusal ?? forbiddenChange(draft, spec) ?? tooManyWorkers(draft, spec) ?? misfit(draft, spec);
}

function tooManyWorkers(draft: Draft, spec: LifecycleSpec): Refusal | undefined {
  const { parallelism } = wantedOf(draft, spec);
  if (parallelism > spec.maxParallelism) {
    const message = `parallelism ${parallelism}, asked for by ${askedBy(draft, "parallelism")}, is above maxParallelism ${spec.maxParallelism}; ask for less`;
    return { reason: "InvalidSpec", message };
  }
  if (spec.limit === null || parallelism <= spec.limit.max) return undefined;
  return { reason: "NotImplemented", message: `parallelism ${parallelism} is not possible: ${spec.limit.reason}` };
}
