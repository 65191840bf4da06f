import { z } from "zod";
import { inlinePolicy } from "./control-policy.schema.ts";
import { flink } from "./flink.schema.ts";
import { API_VERSION } from "./group.ts";
import { objectMeta } from "./metadata.schema.ts";
import { pipeline } from "./pipeline.schema.ts";
import { autoscale, restart, slo } from "./resilience.schema.ts";
import { rules } from "./rule.ts";
import type { Rule } from "./rule.ts";
import { checkpoint, deletion, savepoint, startFrom, state, stop, upgrade } from "./state.schema.ts";
import { streamingJobStatus } from "./streaming-job-status.schema.ts";
import { int, textMap } from "./text.ts";
import { workerTemplate } from "./worker-template.schema.ts";

interface Programs {
  pipeline?: unknown;
  flink?: { program?: { pipeline?: unknown } | undefined } | undefined;
  definitionRef?: unknown;
}
/** A flink block without a program, or one that compiles the pipeline, accompanies spec.pipeline. */
const oneProgram: Rule<Programs> = {
  cel: "[has(self.pipeline), has(self.definitionRef), has(self.flink) && has(self.flink.program) && !has(self.flink.program.pipeline)].filter(x, x).size() == 1",
  message: "a job has exactly one program: set one of pipeline, flink.program or definitionRef",
  holds: (s) => {
    const own = s.flink?.program !== undefined && s.flink.program.pipeline === undefined;
    return [s.pipeline !== undefined, s.definitionRef !== undefined, own].filter(Boolean).length === 1;
  },
};
const shardsSuffice: Rule<{ parallelism?: number | undefined; maxParallelism?: number | undefined }> = {
  cel: "!has(self.parallelism) || !has(self.maxParallelism) || self.parallelism <= self.maxParallelism",
  message: "parallelism must not be above maxParallelism",
  holds: (s) => (s.parallelism ?? 1) <= (s.maxParallelism ?? Number.POSITIVE_INFINITY),
};

export const ENGINES = ["Reactive", "Flink"] as const;
export type Engine = (typeof ENGINES)[number];

export const streamingJobSpec = rules(
  z.strictObject({
    engine: z
      .enum(ENGINES)
      .optional()
      .describe("Reactive (default): Weir's own workers. Flink: an Apache Flink cluster."),
    pipeline: pipeline.optional().describe("The program as a graph of nodes that read, change and write records."),
    flink: flink.optional().describe("A Flink program and its cluster."),
    definitionRef: z
      .string()
      .max(253)
      .regex(/^[^:\s]+:[^:\s]+:[^:\s]+$/, "must be group:name:version")
      .optional()
      .describe("Coordinates group:name:version of a TaskDefinition in this namespace."),
    parameters: textMap(100, 4096).optional().describe("Texts that fill {name} in the texts of the program."),
    desiredState: z
      .enum(["Running", "Paused", "Stopped"])
      .optional()
      .describe("Running (default), Paused (workers up, sources stopped) or Stopped."),
    parallelism: int(1, 1024).optional().describe("Workers. Default 1. A policy overrides it in status, never here."),
    maxParallelism: int(1, 32_768)
      .optional()
      .describe("Shards of the state. Default 32; fixed by the first checkpoint."),
    checkpoint: checkpoint.optional().describe("How often and where state is saved."),
    savepoint: savepoint.optional().describe("Where savepoints go."),
    state: state.optional().describe("Where state lives while the job runs."),
    startFrom: startFrom.optional().describe("What the next start restores, and what it may lose."),
    stop: stop.optional().describe("How a stop leaves the state behind."),
    upgrade: upgrade.optional().describe("What happens to state when the program changes."),
    restart: restart.optional().describe("How the job comes back from failures."),
    slo: slo.optional().describe("What the job promises."),
    autoscale: autoscale.optional().describe("Scaling by a model of the job."),
    controlPolicy: inlinePolicy.optional().describe("A ControlPolicy for this job alone."),
    deletion: deletion.optional().describe("What happens to state when the object is deleted."),
    worker: workerTemplate.optional().describe("What the worker pods look like."),
  }),
  [oneProgram, shardsSuffice],
);
export type StreamingJobSpec = z.infer<typeof streamingJobSpec>;

export const streamingJob = z.strictObject({
  apiVersion: z.literal(API_VERSION),
  kind: z.literal("StreamingJob"),
  metadata: objectMeta,
  spec: streamingJobSpec,
  status: streamingJobStatus.optional(),
});
export type StreamingJob = z.infer<typeof streamingJob>;
