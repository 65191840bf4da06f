import type { z } from "zod";
import { checkControlPolicy, checkMaintenanceWindow } from "../api/check.ts";
import { controlPolicySpec } from "../api/control-policy.schema.ts";
import type { ControlPolicySpec } from "../api/control-policy.schema.ts";
import { maintenanceWindowSpec } from "../api/maintenance-window.schema.ts";
import type { MaintenanceWindowSpec } from "../api/maintenance-window.schema.ts";
import type { Problem } from "../api/problem.ts";
import type { WeirObject } from "./weir-resources.ts";

/** A spec of a policy or window as it may be acted on: with problems, it is not. */
export interface Accepted<Spec> {
  readonly spec: Spec | undefined;
  readonly problems: readonly Problem[];
}

/** Objects in a cache are never changed, so what follows from one is computed once for as long as it lives. */
function oncePerObject<Spec>(
  schema: z.ZodType<Spec>,
  check: (spec: Spec) => Problem[],
): (object: WeirObject) => Accepted<Spec> {
  const known = new WeakMap<WeirObject, Accepted<Spec>>();
  const compute = (object: WeirObject): Accepted<Spec> => {
    const parsed = schema.safeParse(object.spec);
    if (parsed.success) return { spec: parsed.data, problems: check(parsed.data) };
    const problems = parsed.error.issues.map((i): Problem => ({
      code: "SPEC_INVALID",
      path: `spec.${i.path.join(".")}`,
      message: i.message,
    }));
    return { spec: undefined, problems };
  };
  return (object) => {
    const before = known.get(object);
    if (before !== undefined) return before;
    const fresh = compute(object);
    known.set(object, fresh);
    return fresh;
  };
}

export const acceptedPolicy = oncePerObject<ControlPolicySpec>(controlPolicySpec, checkControlPolicy);
export const acceptedWindow = oncePerObject<MaintenanceWindowSpec>(maintenanceWindowSpec, checkMaintenanceWindow);

export function usable<Spec>({ spec, problems }: Accepted<Spec>): Spec | undefined {
  return problems.length === 0 ? spec : undefined;
}
