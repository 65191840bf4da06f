import type { JobObject } from "../../src/controllers/weir-resources.ts";
import { datagenJob } from "./datagen-job.ts";

const SMALL = { requests: { cpu: "20m", memory: "64Mi" }, limits: { memory: "256Mi" } };

/** A `datagenJob` for a namespace of the real node, with small workers. `worker` is merged into spec.worker. */
export function nodeJob(name: string, worker: object = {}, spec: object = {}): JobObject {
  const job = datagenJob(name, { worker: { resources: SMALL, ...worker }, ...spec });
  return { ...job, metadata: { name } };
}
