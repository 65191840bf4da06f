import type { ControlPolicySpec } from "../../api/control-policy.schema.ts";
import { selects } from "../../api/selection.schema.ts";
import { withoutNulls } from "../../api/violations.ts";
import { compileRules } from "../../policy/compiled-rule.ts";
import { conflicts } from "../../policy/conflicts.ts";
import type { PolicyView } from "../../policy/input.ts";
import type { Finding } from "./finding.ts";
import { finding } from "./lint-objects.ts";
import type { LocatedObject } from "./located-object.ts";

interface Metadata {
  readonly name: string;
  readonly namespace?: string;
  readonly labels?: Readonly<Record<string, string>>;
}
type Policy = PolicyView & { readonly spec: ControlPolicySpec; readonly object: LocatedObject };

/**
 * Policies of all files that want the same of one job, as the operator would say it of each later one. A job that only a
 * policy names counts, too: it is in the cluster already, or in another folder.
 */
export function policyConflicts(sound: readonly LocatedObject[]): Finding[] {
  const found = new Map<LocatedObject, Finding>();
  for (const [namespace, near] of Map.groupBy(sound, namespaceOf)) {
    const policies = policiesIn(near, namespace);
    for (const { name, labels = {} } of jobsIn(near, policies)) {
      const own = policies.filter((policy) => selects(policy.spec, name, labels));
      for (const { policy, code, message } of conflicts(compileRules(own).rules, name)) {
        const object = own.find((p) => p.name === policy)?.object;
        if (object === undefined || found.has(object)) continue;
        found.set(object, finding(object, { code, path: "spec.priority", message }));
      }
    }
  }
  return [...found.values()];
}

/** Of objects that are there twice, in two variants, the first. */
function policiesIn(near: readonly LocatedObject[], namespace: string): Policy[] {
  const policies = new Map<string, Policy>();
  for (const object of near) {
    const { name } = metadataOf(object);
    if (object.value["kind"] !== "ControlPolicy" || policies.has(name)) continue;
    const spec = withoutNulls(object.value["spec"]) as ControlPolicySpec;
    policies.set(name, { name, uid: `${namespace}/${name}`, generation: 1, spec, object });
  }
  return [...policies.values()];
}

function jobsIn(near: readonly LocatedObject[], policies: readonly Policy[]): Metadata[] {
  const named = policies.flatMap(({ spec }) => (spec.jobs ?? []).map((name): [string, Metadata] => [name, { name }]));
  const written = near
    .filter(({ value }) => value["kind"] === "StreamingJob")
    .map((object): [string, Metadata] => [metadataOf(object).name, metadataOf(object)]);
  return [...new Map([...named, ...written]).values()];
}

const metadataOf = ({ value }: LocatedObject): Metadata => value["metadata"] as Metadata;
const namespaceOf = (object: LocatedObject): string => metadataOf(object).namespace ?? "";
