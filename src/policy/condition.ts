import type { Expression } from "../expression/expression.ts";
import { isFailure } from "../expression/failure.ts";
import { evaluationError, tryEvaluate } from "../expression/interpret.ts";
import { read } from "../expression/runtime/access.ts";
import type { JobView, PolicyEvent } from "./input.ts";

/** Missing, NaN or wrong data is unknown, never false. */
export type Truth = { readonly value: boolean } | { readonly unknown: string };

export interface Bindings {
  readonly event: PolicyEvent | undefined;
  readonly job: JobView;
  readonly maintenanceActive: boolean;
}

export function truthOf(expression: Expression, bindings: Bindings): Truth {
  const value = valueOf(expression, bindings);
  if ("unknown" in value) return value;
  return typeof value.value === "boolean"
    ? { value: value.value }
    : { unknown: `"${expression.text}" is not true or false` };
}

export function valueOf(expression: Expression, bindings: Bindings): { value: unknown } | { unknown: string } {
  const value = tryEvaluate(expression, { event: eventValue(bindings.event), job: jobValue(bindings) });
  if (isFailure(value)) return { unknown: evaluationError(expression.text, value).message };
  return Number.isNaN(value) ? { unknown: `"${expression.text}" is not a number` } : { value };
}

/** What an expression sees as `event`. Times are text, as in CloudEvents. A null or NaN in the payload is a missing value. */
function eventValue(event: PolicyEvent | undefined): Record<string, unknown> {
  if (event === undefined) return {};
  const known = Object.entries(event.payload).filter(([, v]) => v !== null && v !== undefined && !Number.isNaN(v));
  const { type, time, id = "", source = "" } = event;
  return { type, time: new Date(time).toISOString(), id, source, payload: Object.fromEntries(known) };
}

/** What an expression sees as `job`. */
function jobValue({ job, maintenanceActive }: Bindings): Record<string, unknown> {
  const { name, namespace, labels, state, parallelism, maxParallelism, desiredState } = job;
  return {
    name,
    namespace,
    labels,
    state,
    parallelism,
    maxParallelism,
    desiredState,
    maintenance: { active: maintenanceActive },
  };
}

/** The values a condition read, as short text for the decision's record. */
export function inputsOf(expression: Expression, bindings: Bindings): string {
  const roots: Record<string, unknown> = { event: eventValue(bindings.event), job: jobValue(bindings) };
  const texts = expression.references
    .filter((path) => path.length > 1)
    .map((path) => `${path.join(".")}=${JSON.stringify(read(roots, path, 0)) ?? "missing"}`);
  return texts.join(", ").slice(0, 1024);
}
