import { isDeepStrictEqual } from "node:util";
import type { Condition, ConditionType } from "../api/conditions.ts";
import { FIELD_MANAGER } from "../api/group.ts";
import { isNotFound } from "../kube/kube-error.ts";
import type { Resource } from "../kube/resource.ts";
import type { ControllerContext } from "./caches.ts";
import type { WeirObject } from "./weir-resources.ts";

/** Writes a status when it differs, with the resourceVersion it was decided on, and waits until the cache has it. */
export async function writeStatus<Status>(
  { client, caches }: Pick<ControllerContext, "client" | "caches">,
  resource: Resource,
  object: WeirObject<Status>,
  wanted: Status,
): Promise<void> {
  const status = JSON.parse(JSON.stringify(wanted)) as Status;
  if (isDeepStrictEqual(status, object.status)) return;
  try {
    const written = await client.updateStatus(resource, { ...object, status }, { fieldManager: FIELD_MANAGER.status });
    await caches.settled(resource, written);
  } catch (e) {
    if (!isNotFound(e)) throw e;
  }
}

export interface ConditionInput {
  readonly type: ConditionType;
  readonly status: Condition["status"];
  readonly reason: string;
  readonly message: string;
}

/** Conditions for now; the transition time of one moves only with its status. */
export function conditionsFor(
  object: WeirObject<{ conditions?: Condition[] | undefined }>,
  wanted: readonly ConditionInput[],
  now: number,
): Condition[] {
  return wanted.map((c) => {
    const old = object.status?.conditions?.find((o) => o.type === c.type);
    const lastTransitionTime = old?.status === c.status ? old.lastTransitionTime : new Date(now).toISOString();
    return { ...c, observedGeneration: object.metadata.generation ?? 0, lastTransitionTime };
  });
}
