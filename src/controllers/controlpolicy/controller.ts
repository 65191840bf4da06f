import { refOfKey } from "../../kube/resource.ts";
import { createWorkQueue } from "../../kube/work-queue.ts";
import type { Controller, ControllerContext } from "../caches.ts";
import { BY_NAMESPACE, cacheKey } from "../caches.ts";
import { policiesOf, policySelects } from "../selection.ts";
import { writeStatus } from "../status-writer.ts";
import { controlPolicies } from "../weir-resources.ts";
import { policyStatus } from "./policy-status.ts";

/** Counts are for people: they follow the jobs at a walk. */
const FOLLOW_DELAY_MS = 2_000;

/** Keeps a policy's own status. What it decides is decided in the reconciler of each job. */
export function createPolicyController(context: ControllerContext): Controller {
  const { caches, timers, meter, onError } = context;
  const reconcile = async (key: string): Promise<undefined> => {
    const policy = caches.policies.get(key);
    if (policy === undefined || policy.metadata.deletionTimestamp !== undefined) return;
    const near = caches.jobs.byIndex(BY_NAMESPACE, policy.metadata.namespace ?? "");
    const jobs = near
      .filter((job) => policySelects(policy, job))
      .map((job) => ({ job, policies: policiesOf(job, caches) }));
    await writeStatus(context, controlPolicies, policy, policyStatus({ policy, jobs, now: timers.now() }));
  };
  const queue = createWorkQueue({
    name: "controlpolicy",
    process: reconcile,
    onError: (key, e) => onError("reconcile failed", e, { controller: "controlpolicy", ...refOfKey(key) }),
    meter,
    timers,
  });
  const ofNamespace = (namespace: string): string[] => caches.policies.byIndex(BY_NAMESPACE, namespace).map(cacheKey);

  // Two policies may be in each other's way: a change of one is looked at by all of its namespace.
  caches.policies.onChange(({ object }) => {
    queue.add(cacheKey(object));
    for (const key of ofNamespace(object.metadata.namespace ?? "")) queue.addAfter(key, FOLLOW_DELAY_MS);
  });
  caches.jobs.onChange(({ object }) => {
    for (const key of ofNamespace(object.metadata.namespace ?? "")) queue.addAfter(key, FOLLOW_DELAY_MS);
  });
  return { queue, run: (signal) => queue.run(signal) };
}
