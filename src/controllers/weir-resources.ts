import { GROUP, KINDS, VERSION } from "../api/group.ts";
import type { KindName } from "../api/group.ts";
import type { StreamingJobStatus } from "../api/streaming-job-status.schema.ts";
import type { KubeObject, Resource } from "../kube/resource.ts";

const weir = (kind: KindName): Resource => ({
  group: GROUP,
  version: VERSION,
  plural: KINDS[kind].plural,
  kind,
  namespaced: true,
});

export const streamingJobs = weir("StreamingJob");
export const controlPolicies = weir("ControlPolicy");
export const maintenanceWindows = weir("MaintenanceWindow");

/** An object as the API server has it: its spec is whatever was accepted when it was stored. */
export interface WeirObject<Status = unknown> extends KubeObject {
  spec?: unknown;
  status?: Status;
}
export type JobObject = WeirObject<StreamingJobStatus>;
