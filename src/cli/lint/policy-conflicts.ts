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
 * Policies of all files that want the same of one job, as the operator would say it of each later one, once. A job that only a
 * policy names counts, too: it is in the cluster already, or in another folder.
 */
export function policyConflicts(sound: readonly LocatedObject[]): Finding[] {
  return [...Map.groupBy(sound, namespaceOf)].flatMap(([namespace, near]) => {
    const policies = policiesIn(near, namespace);
    const found = jobsIn(near, policies).flatMap((job) => conflictsOver(job, policies));
    return [...new Map(found.toReversed().map((f) => [f.object, f])).values()];
  });
}

function conflictsOver({ name, labels = {} }: Metadata, policies: readonly Policy[]): Finding[] {
  const own = policies.filter((policy) => selects(policy.spec, name, labels));
  return conflicts(compileRules(own).rules, name).flatMap(({ policy, code, message }) => {
    const object = own.find((p) => p.name === policy)?.object;
    return object === undefined ? [] : [finding(object, { code, path: "spec.priority", message })];
  });
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
