import type { ControlPolicySpec } from "./control-policy.schema.ts";
import { broadcastProblems } from "./broadcast-check.ts";
import { cronProblem } from "./cron.ts";
import { DATAGEN_DEFAULTS } from "./datagen.schema.ts";
import { parseDuration, waitProblem } from "./duration.ts";
import { effectiveSpec } from "./effective-spec.ts";
import { functionProblems } from "./function-check.ts";
import { checkGraph } from "./graph-check.ts";
import type { KindName } from "./group.ts";
import { joinProblems } from "./join-check.ts";
import { lookupProblems } from "./lookup-check.ts";
import { instantProblem, zoneProblem } from "./instant.ts";
import type { MaintenanceWindowSpec } from "./maintenance-window.schema.ts";
import { notImplemented } from "./not-implemented.ts";
import { outsideProblems, storageProblems } from "./outside-check.ts";
import type { Pipeline, PipelineNode } from "./pipeline.schema.ts";
import type { Problem } from "./problem.ts";
import { stateProblems } from "./state-check.ts";
import type { StreamingJobSpec } from "./streaming-job.schema.ts";
import { testProblems } from "./test-check.ts";
import { windowProblems } from "./window-check.ts";

/**
 * What a CRD's schema cannot say. The API server has taken the object; a problem here becomes a condition. Expressions
 * are checked by src/expression: the operator joins both lists.
 */
type Check<T> = (spec: T) => Problem[];

const invalid = (path: string, message: string): Problem => ({ code: "SPEC_INVALID", path, message });
const wrong = (path: string, message: string): Problem => ({ code: "PIPELINE_INVALID", path, message });
const at = (path: string, message: string | null): Problem[] => (message === null ? [] : [invalid(path, message)]);
const inNode = (node: PipelineNode, field: string): string => `spec.pipeline.nodes[${node.name}].${field}`;

const pipelineChecks: readonly Check<Pipeline>[] = [
  ({ nodes }) => checkGraph(nodes),
  connectionsExist,
  outsideProblems,
  functionProblems,
  ({ nodes }) => nodes.flatMap(fieldNames),
  ({ nodes }) => nodes.flatMap(windowProblems),
  ({ nodes }) => nodes.flatMap(joinProblems),
  lookupProblems,
  ({ nodes }) => nodes.flatMap(broadcastProblems),
  ({ nodes }) => nodes.flatMap(datagenKeys),
  testProblems,
];

const jobChecks: readonly Check<StreamingJobSpec>[] = [
  oneProgram,
  shardsSuffice,
  noInlineCredentials,
  (spec) => (spec.pipeline === undefined ? [] : pipelineChecks.flatMap((check) => check(spec.pipeline as Pipeline))),
  waits,
  stateProblems,
  storageProblems,
  (spec) => at("spec.savepoint.schedule", spec.savepoint?.schedule ? cronProblem(spec.savepoint.schedule) : null),
  (spec) => at("spec.savepoint.timeZone", spec.savepoint?.timeZone ? zoneProblem(spec.savepoint.timeZone) : null),
];

/** Everything wrong with a job that its schema accepts, and everything in it that this version does not run. */
export function checkStreamingJob(spec: StreamingJobSpec): Problem[] {
  return [...jobChecks.flatMap((check) => check(spec)), ...notImplemented("StreamingJob", spec)];
}

/** The same for a pipeline alone. */
export function checkPipeline(pipeline: Pipeline): Problem[] {
  return [...pipelineChecks.flatMap((check) => check(pipeline)), ...notImplemented("StreamingJob", { pipeline })];
}

export function checkControlPolicy(spec: ControlPolicySpec): Problem[] {
  const windows = (spec.windows ?? []).flatMap((w, i) => [
    ...at(`spec.windows[${i}].schedule`, cronProblem(w.schedule)),
    ...at(`spec.windows[${i}].timeZone`, w.timeZone === undefined ? null : zoneProblem(w.timeZone)),
  ]);
  const { minParallelism = 1, maxParallelism = Number.POSITIVE_INFINITY } = spec.limits ?? {};
  const limits =
    minParallelism > maxParallelism
      ? [invalid("spec.limits.minParallelism", `${minParallelism} is above maxParallelism ${maxParallelism}`)]
      : [];
  return [...windows, ...limits, ...notImplemented("ControlPolicy", spec)];
}

export function checkMaintenanceWindow(spec: MaintenanceWindowSpec): Problem[] {
  return [
    ...at("spec.schedule", spec.schedule === undefined ? null : cronProblem(spec.schedule)),
    ...at("spec.timeZone", spec.timeZone === undefined ? null : zoneProblem(spec.timeZone)),
    ...at("spec.start", spec.start === undefined ? null : instantProblem(spec.start)),
    ...at("spec.end", spec.end === undefined ? null : instantProblem(spec.end)),
    ...windowHasLength(spec),
    ...notImplemented("MaintenanceWindow", spec),
  ];
}

/** By kind, for callers that hold an object of any of them. The spec must already fit its schema. */
export function checkSpec(kind: KindName, spec: object): Problem[] {
  switch (kind) {
    case "StreamingJob":
      return checkStreamingJob(spec as StreamingJobSpec);
    case "ControlPolicy":
      return checkControlPolicy(spec as ControlPolicySpec);
    case "MaintenanceWindow":
      return checkMaintenanceWindow(spec as MaintenanceWindowSpec);
  }
}

/** The CRD says this too; here it covers objects that were stored before the rule was. */
function oneProgram(spec: StreamingJobSpec): Problem[] {
  const programs = [
    ["pipeline", spec.pipeline !== undefined],
    ["flink.program", spec.flink?.program !== undefined && spec.flink.program.pipeline === undefined],
    ["definitionRef", spec.definitionRef !== undefined],
  ] as const;
  const set = programs.filter(([, isSet]) => isSet).map(([name]) => name);
  if (set.length === 1) return [];
  const found = set.length === 0 ? "none is set" : `these are set: ${set.join(", ")}`;
  return [invalid("spec", `a job has exactly one program of pipeline, flink.program and definitionRef, but ${found}`)];
}

function shardsSuffice(spec: StreamingJobSpec): Problem[] {
  const { parallelism, maxParallelism } = effectiveSpec(spec);
  if (parallelism <= maxParallelism) return [];
  const fix = "lower parallelism, or set maxParallelism before the first start";
  return [invalid("spec.parallelism", `${parallelism} is above maxParallelism ${maxParallelism}; ${fix}`)];
}

const SECRET_KEY = /(password|passwd|secret|api[_.-]?key|access[_.-]?key|token)$/i;

function noInlineCredentials(spec: StreamingJobSpec): Problem[] {
  const maps: [string, Readonly<Record<string, string>>][] = [
    ["spec.parameters", spec.parameters ?? {}],
    ["spec.flink.configuration", spec.flink?.configuration ?? {}],
  ];
  return maps.flatMap(([path, map]) =>
    Object.keys(map)
      .filter((key) => SECRET_KEY.test(key))
      .map((key) => invalid(`${path}.${key}`, "looks like a credential; put it in a Secret and use secretRef")),
  );
}

function connectionsExist(pipeline: Pipeline): Problem[] {
  const byName = new Map((pipeline.connections ?? []).map((c) => [c.name, c]));
  return pipeline.nodes.flatMap((node) => [
    ...checkConnection(inNode(node, "source.connection"), node.source, byName),
    ...checkConnection(inNode(node, "sink.connection"), node.sink, byName),
  ]);
}

type End = { readonly connection?: string | undefined } | undefined;

function checkConnection(path: string, end: End, byName: ReadonlyMap<string, object>): Problem[] {
  const name = end?.connection;
  if (end === undefined || name === undefined) return [];
  const connection = byName.get(name);
  if (connection === undefined) {
    const known = byName.size === 0 ? "there are none" : `there are ${[...byName.keys()].join(", ")}`;
    return [wrong(path, `no connection is called "${name}" in spec.pipeline.connections; ${known}`)];
  }
  const kind = Object.keys(connection).find((k) => k !== "name") ?? "";
  if ((end as Readonly<Record<string, unknown>>)[kind] !== undefined) return [];
  const own = Object.keys(end).filter((k) => k !== "connection" && k !== "batching");
  return [wrong(path, `connection "${name}" is of kind ${kind}, and this is ${own.join(", ")}; name one of its kind`)];
}

const DOTTED = /^[A-Za-z_][A-Za-z0-9_-]*(\.[A-Za-z_][A-Za-z0-9_-]*)*$/;

/** Keys of maps have no pattern in a CRD. */
function fieldNames(node: PipelineNode): Problem[] {
  const maps = {
    map: node.map,
    aggregate: node.aggregate,
    schema: node.schema,
    "join.select": node.join?.select,
    "broadcast.select": node.broadcast?.select,
  };
  return Object.entries(maps).flatMap(([field, map]) =>
    Object.keys(map ?? {})
      .filter((key) => key.length > 253 || !DOTTED.test(key))
      .map((key) => wrong(inNode(node, field), `"${key.slice(0, 60)}" is not a field name such as payload.lag`)),
  );
}

/** A split without a key of its own could not make records. */
function datagenKeys(node: PipelineNode): Problem[] {
  const datagen = node.source?.datagen;
  const splits = datagen?.splits ?? DATAGEN_DEFAULTS.splits;
  return (datagen?.fields ?? [])
    .filter((f) => f.key !== undefined && f.key.count < splits)
    .map((f) =>
      wrong(inNode(node, "source.datagen.fields"), `${f.path}: key.count must not be below splits (${splits})`),
    );
}

function waits(spec: StreamingJobSpec): Problem[] {
  const { checkpoint, stop, deletion } = effectiveSpec(spec);
  const ofWorkers = { interval: checkpoint.interval, timeout: checkpoint.timeout };
  const ofOperations = { "stop.timeout": stop.timeout, "deletion.timeout": deletion.timeout };
  const pause = parseDuration(checkpoint.minPause) === 0 ? undefined : waitProblem(checkpoint.minPause);
  return [
    ...Object.entries(ofWorkers).flatMap(([field, text]) => at(`spec.checkpoint.${field}`, waitProblem(text) ?? null)),
    ...at("spec.checkpoint.minPause", pause ?? null),
    ...Object.entries(ofOperations)
      .filter(([, text]) => parseDuration(text) === 0)
      .map(([field]) => invalid(`spec.${field}`, "must be longer than 0")),
  ];
}

function windowHasLength(spec: MaintenanceWindowSpec): Problem[] {
  if (spec.duration !== undefined && parseDuration(spec.duration) === 0) {
    return [invalid("spec.duration", "must be longer than 0")];
  }
  if (spec.start === undefined || spec.end === undefined) return [];
  const length = Date.parse(spec.end) - Date.parse(spec.start);
  return length <= 0 ? [invalid("spec.end", `${spec.end} is not after start ${spec.start}`)] : [];
}
