import type { Problem } from "./problem.ts";
import { parseQuantity } from "./quantity.ts";
import type { StreamingJobSpec } from "./streaming-job.schema.ts";
import { longerThanNothing } from "./window-check.ts";

/** Memory for state in RocksDB where the job says nothing. It is not among the effective values: it would start every job anew. */
export const STATE_MEMORY = "128Mi";
const LEAST = "16Mi";

/** What the schema of `spec.state` cannot say. */
export function stateProblems(spec: StreamingJobSpec): Problem[] {
  const { ttl } = spec.state ?? {};
  const ofTtl = ttl === undefined ? [] : longerThanNothing("spec.state.ttl", ttl);
  return [...ofTtl.map(([path, message]) => ({ code: "SPEC_INVALID", path, message }) as const), ...memory(spec)];
}

function memory({ state, worker }: StreamingJobSpec): Problem[] {
  const { backend, memoryLimit } = state ?? {};
  const wrong = (message: string): Problem[] => [{ code: "SPEC_INVALID", path: "spec.state.memoryLimit", message }];
  if (backend !== "RocksDB")
    return memoryLimit === undefined
      ? []
      : wrong("is for backend RocksDB; limit the worker's memory by worker.resources instead");
  const bytes = parseQuantity(memoryLimit ?? STATE_MEMORY);
  if (bytes < parseQuantity(LEAST)) return wrong(`must be at least ${LEAST}`);
  const limit = worker?.resources?.limits?.["memory"];
  if (limit === undefined || bytes < parseQuantity(limit)) return [];
  return wrong(
    `${memoryLimit ?? STATE_MEMORY} does not fit into worker.resources.limits.memory ${limit}: the worker itself needs about 150Mi more`,
  );
}
