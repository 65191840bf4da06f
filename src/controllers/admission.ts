import type { KindName } from "../api/group.ts";
import type { Problem } from "../api/problem.ts";
import { violations, withoutNulls } from "../api/violations.ts";
import type { Plan } from "../engine/plan.ts";
import { acceptedPolicy, acceptedWindow } from "./accepted-spec.ts";
import { expressionProblems } from "./controlpolicy/expression-problems.ts";
import { planJob } from "./streamingjob/planned-job.ts";
import type { WeirObject } from "./weir-resources.ts";

/** What would become of an object: refused by the API server or the operator for its problems, or run. */
export interface Admitted {
  readonly problems: readonly Problem[];
  /** Of a job without problems. */
  readonly plan: Plan | undefined;
}

/** The verdict of API server and operator on an object that neither has seen yet. */
export function admit(kind: KindName, written: unknown): Admitted {
  const broken = violations(kind, written);
  if (broken.length > 0) return { problems: broken, plan: undefined };
  const object = withoutNulls(written) as WeirObject;
  switch (kind) {
    case "StreamingJob":
      return planJob(object.spec);
    case "ControlPolicy":
      return { problems: [...acceptedPolicy(object).problems, ...expressionProblems(object)], plan: undefined };
    case "MaintenanceWindow":
      return { problems: acceptedWindow(object).problems, plan: undefined };
  }
}
