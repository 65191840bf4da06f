import { parseDuration } from "../../api/duration.ts";
import type { EffectiveSpec } from "../../api/effective-spec.ts";
import { LABEL, MANAGED_BY } from "../../api/group.ts";
import { parseQuantity } from "../../api/quantity.ts";
import { STATE_MEMORY } from "../../api/state-check.ts";
import { startDocument } from "../../api/worker-protocol.ts";
import type { StartDocument } from "../../api/worker-protocol.ts";
import type { Plan } from "../../engine/plan.ts";
import { WeirError } from "../../errors.ts";
import type { KubeObject, OwnerReference } from "../../kube/resource.ts";
import type { Action } from "../../lifecycle/decision.ts";
import type { Modules } from "./modules.ts";
import { jobLabel, planName } from "./worker-pod.ts";
import type { PodTemplate } from "./worker-pod.ts";

/** The immutable ConfigMap of an epoch: everything its workers and their replacements are made from. */
export interface EpochPlan extends KubeObject {
  data?: Record<string, string>;
  immutable?: boolean;
}

export interface EpochContents {
  readonly plan: Plan;
  readonly pod: PodTemplate;
  readonly effective: EffectiveSpec;
}

/** What an epoch is launched with: also the code of its functions. */
export interface LaunchContents extends EpochContents {
  readonly modules: Modules;
}

type ApplyPlan = Action & { kind: "ApplyPlan" };

export interface EpochPlace {
  readonly namespace: string;
  readonly job: string;
  readonly uid: string;
  readonly owner: OwnerReference;
}

export function epochPlan(action: ApplyPlan, contents: LaunchContents, place: EpochPlace): EpochPlan {
  return {
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: {
      name: planName(place.job, action.epoch),
      namespace: place.namespace,
      labels: {
        [LABEL.job]: jobLabel(place.job),
        [LABEL.epoch]: String(action.epoch),
        [LABEL.component]: "plan",
        [LABEL.managedBy]: MANAGED_BY,
      },
      ownerReferences: [place.owner],
    },
    immutable: true,
    data: {
      "plan.json": JSON.stringify(contents.plan),
      "start.json": JSON.stringify(startOf(action, contents.effective, place)),
      "pod.json": JSON.stringify(contents.pod),
      "spec.json": JSON.stringify(contents.effective),
      ...contents.modules,
    },
  };
}

function startOf(action: ApplyPlan, effective: EffectiveSpec, place: EpochPlace): StartDocument {
  const { interval, timeout, minPause, retain, tolerableFailures, storage } = effective.checkpoint;
  return startDocument.parse({
    version: 1,
    namespace: place.namespace,
    job: place.job,
    jobUid: place.uid,
    lineage: action.lineage,
    epoch: action.epoch,
    slots: action.slots,
    restore: action.restore,
    checkpoint: {
      intervalMs: parseDuration(interval),
      timeoutMs: parseDuration(timeout),
      minPauseMs: parseDuration(minPause),
      retain,
      tolerableFailures,
      uri: storage.uri,
      ...objectStoreOf(storage),
    },
    ...(action.exchange === undefined ? {} : { exchange: action.exchange }),
    ...rocksdbOf(effective.state),
    paused: action.paused,
  });
}

function rocksdbOf({ backend, memoryLimit = STATE_MEMORY }: EffectiveSpec["state"]): object {
  return backend === "RocksDB" ? { rocksdb: { memoryBytes: parseQuantity(memoryLimit) } } : {};
}

function objectStoreOf({ endpoint, region, secretRef }: EffectiveSpec["checkpoint"]["storage"]): object {
  return secretRef === undefined ? {} : { objectStore: { endpoint, region, secret: secretRef.name } };
}

export function contentsOf(map: EpochPlan): EpochContents {
  const read = <T>(file: string): T => {
    const text = map.data?.[file];
    if (text === undefined)
      throw new WeirError(
        "INTERNAL",
        `ConfigMap ${map.metadata.name} has no ${file}; delete it to have it written again`,
      );
    return JSON.parse(text) as T;
  };
  return { plan: read("plan.json"), pod: read("pod.json"), effective: read("spec.json") };
}
