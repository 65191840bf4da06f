import { readdirSync } from "node:fs";
import { join } from "node:path";
import type { Ground, Happenings } from "../servers/weir-ground.ts";
import { readMemory } from "../../src/lifecycle/memory.ts";
import type { KubeObject } from "../../src/kube/resource.ts";

export const JOB = "j";

/**
 * What two stories of the same job must have in common: what users read, what exists, and every side effect. Times,
 * measurements and messages are left out; ids lose what is made of time or chance.
 */
export function jobFacts(ground: Ground, namespace: string, happenings: Happenings): Facts {
  const job = ground.jobs.get(`${namespace}/${JOB}`);
  const here = (object: KubeObject): boolean => object.metadata.namespace === namespace;
  const facts = {
    ...statusFacts(job?.status),
    finalizers: job?.metadata.finalizers,
    pods: ground.pods
      .list()
      .filter(here)
      .map((p) => `${p.metadata.name} ${p.status?.phase ?? ""}`)
      .toSorted(),
    plans: ground.plans
      .list()
      .filter(here)
      .map((p) => p.metadata.name)
      .toSorted(),
    created: happenings.created.toSorted(),
    deleted: happenings.deleted.toSorted(),
    started: happenings.started.toSorted(),
    savepoints: savepointFiles(join(ground.claims, namespace)),
  };
  // A spec that has a topic of its own cannot be equal to that of another story.
  const namesItsPlace = JSON.stringify(job?.spec ?? {}).includes(namespace);
  const text = JSON.stringify(facts)
    .replaceAll(namespace, "here")
    .replaceAll((job?.metadata.uid ?? "none").slice(0, 8), "uid")
    .replaceAll(/"generation":\d+/g, '"generation":"*"')
    .replaceAll(/"hash":"[0-9a-f]+"/g, (hash) => (namesItsPlace ? '"hash":"*"' : hash))
    .replaceAll(/\b(start|stop|scale|savepoint|delete|recover|upgrade|restart)-(\d+)-[0-9a-z]+/g, "$1-$2-*");
  return JSON.parse(text) as Facts;
}

export type Facts = Readonly<Record<string, unknown>>;

type Status = NonNullable<ReturnType<Ground["jobs"]["get"]>>["status"];

function statusFacts(status: Status): Facts {
  if (status === undefined) return { state: undefined };
  const { state, epoch, parallelism, operation, savepoint, lineage, restarts, failure, health } = status;
  const { conditions, requests, overrides } = status;
  const { launched, slots, restorePoint } = readMemory(status.internal);
  return {
    state,
    epoch,
    parallelism,
    health,
    failure,
    operation: operation?.type,
    conditions: conditions?.map((c) => `${c.type}=${c.status} ${c.reason}`).toSorted(),
    requests: requests?.map((r) => `${r.verb} ${r.value}: ${r.outcome}`),
    overrides: overrides?.map((o) => `${o.field}=${o.value}`),
    restarts: restarts?.count,
    savepoint: savepoint?.uri,
    lineage,
    restorePoint,
    launched,
    slots,
  };
}

/** Parts and metadata of every savepoint that was ever begun. */
function savepointFiles(folder: string): string[] {
  try {
    const files = readdirSync(folder, { recursive: true, encoding: "utf8" });
    return files.filter((file) => file.includes("/savepoints/")).toSorted();
  } catch {
    return []; // no claim yet, or a file that went while its folder was read
  }
}
