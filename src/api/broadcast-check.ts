import { selectedFields } from "./join-check.ts";
import type { PipelineNode } from "./pipeline.schema.ts";
import type { Problem } from "./problem.ts";

/** What the schema cannot say of a broadcast's inputs and fields. */
export function broadcastProblems({ name, from = [], broadcast }: PipelineNode): Problem[] {
  if (broadcast === undefined) return [];
  const problem = (field: string, message: string): Problem => ({
    code: "PIPELINE_INVALID",
    path: `spec.pipeline.nodes[${name}].${field}`,
    message,
  });
  return [
    ...(from.length === 1
      ? []
      : [problem("from", `a broadcast reads one input beside broadcast.from, not ${from.length}`)]),
    ...selectedFields(broadcast.select ?? {}).map(([, message]) => problem("broadcast.select", message)),
  ];
}
