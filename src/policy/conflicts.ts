import type { PolicyAction } from "../api/control-policy.schema.ts";
import type { CompiledRule } from "./compiled-rule.ts";
import type { PolicyProblem } from "./input.ts";

/** Actions whose order between two policies matters. */
const exclusive: ReadonlySet<PolicyAction> = new Set(["Scale", "Stop", "Start", "Restart"]);

/**
 * Two policies of equal priority that want to do the same thing to one job. They are still arbitrated, by name, but
 * nobody meant that: each later one is told.
 */
export function conflicts(rules: readonly CompiledRule[], job: string): PolicyProblem[] {
  const first = new Map<string, CompiledRule>();
  const found = new Map<string, PolicyProblem>();
  for (const rule of rules.toSorted((a, b) => (a.policy.name < b.policy.name ? -1 : 1))) {
    if (!exclusive.has(rule.action) || rule.policy.spec.mode === "Disabled") continue;
    const key = `${rule.action}/${rule.policy.spec.priority ?? 0}`;
    const other = first.get(key) ?? rule;
    first.set(key, other);
    if (other.policy.uid === rule.policy.uid || found.has(`${rule.policy.uid}/${rule.action}`)) continue;
    found.set(`${rule.policy.uid}/${rule.action}`, {
      policy: rule.policy.name,
      rule: rule.name,
      code: "POLICY_CONFLICT",
      message: `job "${job}" has two policies of priority ${rule.policy.spec.priority ?? 0} with action ${rule.action}: "${other.policy.name}" and "${rule.policy.name}"; give one a higher spec.priority. Until then ${rule.action === "Scale" ? "the larger parallelism wins" : `"${other.policy.name}" comes first, by name`}`,
    });
  }
  return [...found.values()];
}
