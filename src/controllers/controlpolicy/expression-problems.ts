import type { Problem } from "../../api/problem.ts";
import { RESTART_WHEN, STOP_WHEN, compileRules } from "../../policy/compiled-rule.ts";
import { policyView } from "../selection.ts";
import type { WeirObject } from "../weir-resources.ts";

/** What is wrong with the rules of a policy whose spec is otherwise sound. */
export function expressionProblems(policy: WeirObject): Problem[] {
  const view = policyView(policy);
  if (view === undefined) return [];
  return compileRules([view]).problems.map(({ code, rule, message, expression }) => ({
    code,
    path: rule === STOP_WHEN || rule === RESTART_WHEN ? `spec.${rule}` : `spec.rules[${rule}]`,
    message,
    ...(expression === undefined ? {} : { expression }),
  }));
}
