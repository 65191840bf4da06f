import { selects } from "../api/selection.schema.ts";
import type { PolicyView, WindowView } from "../policy/input.ts";
import { acceptedPolicy, acceptedWindow, usable } from "./accepted-spec.ts";
import type { Caches } from "./caches.ts";
import { BY_NAMESPACE } from "./caches.ts";
import type { JobObject, WeirObject } from "./weir-resources.ts";

/** Who concerns whom: policies and windows name jobs of their own namespace, or select them by label. */
const sameNamespace = (a: WeirObject, b: WeirObject): boolean => a.metadata.namespace === b.metadata.namespace;

export function policySelects(policy: WeirObject, job: JobObject): boolean {
  const { spec } = acceptedPolicy(policy);
  return (
    spec !== undefined && sameNamespace(policy, job) && selects(spec, job.metadata.name, job.metadata.labels ?? {})
  );
}

export function windowSelects(window: WeirObject, job: JobObject): boolean {
  const { spec } = acceptedWindow(window);
  return (
    spec !== undefined && sameNamespace(window, job) && selects(spec, job.metadata.name, job.metadata.labels ?? {})
  );
}

export function policyView(policy: WeirObject): PolicyView | undefined {
  const spec = usable(acceptedPolicy(policy));
  if (spec === undefined) return undefined;
  const { name, uid = "", generation = 0 } = policy.metadata;
  return { name, uid, generation, spec };
}

const isAlive = (object: WeirObject): boolean => object.metadata.deletionTimestamp === undefined;

export function policiesOf(job: JobObject, { policies }: Pick<Caches, "policies">): PolicyView[] {
  const near = policies.byIndex(BY_NAMESPACE, job.metadata.namespace ?? "");
  return near.filter((p) => isAlive(p) && policySelects(p, job)).flatMap((p) => policyView(p) ?? []);
}

export function windowsOf(job: JobObject, { windows }: Pick<Caches, "windows">): WindowView[] {
  const near = windows.byIndex(BY_NAMESPACE, job.metadata.namespace ?? "");
  return near
    .filter((w) => isAlive(w) && windowSelects(w, job))
    .flatMap((w) => {
      const spec = usable(acceptedWindow(w));
      return spec === undefined ? [] : [{ name: w.metadata.name, spec }];
    });
}
