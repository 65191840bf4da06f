import { effectiveSpec } from "../../api/effective-spec.ts";
import { inputOf, readsOf, outputsOf } from "../../api/graph-check.ts";
import { isTimedJoin } from "../../api/join-check.ts";
import type { Pipeline, PipelineNode } from "../../api/pipeline.schema.ts";
import type { StreamingJobSpec } from "../../api/streaming-job.schema.ts";
import type { Problem } from "../../api/problem.ts";
import type { Plan } from "../../engine/plan.ts";
import { againstSchema } from "./against-schema.ts";
import { changingResults } from "./changing-results.ts";
import { unknownFields } from "./unknown-fields.ts";

/** Something that runs, but perhaps not as its author meant it. */
export interface Warning {
  /** Its name in docs/reference/lint.md. */
  readonly code: WarningCode;
  readonly path: string;
  readonly message: string;
  readonly expression?: NonNullable<Problem["expression"]>;
}

/** Each with a line in docs/reference/lint.md; a test holds the two together. */
export const WARNINGS = [
  "unread-output",
  "unused-connection",
  "unused-function",
  "unknown-parameter",
  "unknown-field",
  "against-schema",
  "field-named-event",
  "parallelism-beyond-keys",
  "state-not-durable",
  "state-grows",
  "changing-results",
] as const;
export type WarningCode = (typeof WARNINGS)[number];

type Job = StreamingJobSpec & { readonly pipeline: Pipeline };

/** For a job that would be admitted. */
export function jobWarnings(spec: Job, plan: Plan): Warning[] {
  return [
    ...unreadOutputs(spec.pipeline),
    ...unused(spec.pipeline, plan),
    ...unknownParameters(spec),
    ...unfilled(spec),
    ...unknownFields(spec.pipeline, plan),
    ...againstSchema(spec.pipeline),
    ...fieldsNamedEvent(spec.pipeline),
    ...tooParallel(spec, plan),
    ...volatileState(spec, plan),
    ...growingState(spec),
    ...changingResults(spec.pipeline),
  ];
}

const at = (node: string, field: string): string => `spec.pipeline.nodes[${node}].${field}`;

/** Of a branch whose other cases are read: nobody else can have outputs that are not. */
function unreadOutputs({ nodes }: Pipeline): Warning[] {
  const read = new Set(nodes.flatMap((n) => readsOf(n).map(inputOf)).map(({ node, output }) => `${node}.${output}`));
  return nodes
    .filter((node) => node.branch !== undefined)
    .flatMap((node) =>
      outputsOf(node)
        .filter((output) => !read.has(`${node.name}.${output}`))
        .map((output) => ({
          code: "unread-output",
          path: at(node.name, "branch"),
          message: `no node reads "${node.name}.${output}": its records are dropped`,
        })),
    );
}

function unused({ connections = [], functions = [], nodes }: Pipeline, { exchanges = [] }: Plan): Warning[] {
  // Keys go to their workers through the first Kafka that there is.
  const between = exchanges.length === 0 ? undefined : connections.find((c) => c.kafka !== undefined)?.name;
  const ends = JSON.stringify(nodes.map((n) => [n.source, n.sink, n.join]));
  const calls = new Set(
    nodes.flatMap((n) => [n.process?.function, n.source?.custom?.function, n.sink?.custom?.function]),
  );
  return [
    ...connections
      .filter(({ name }) => name !== between && !ends.includes(`"connection":${JSON.stringify(name)}`))
      .map(({ name }): Warning => ({
        code: "unused-connection",
        path: `spec.pipeline.connections[${name}]`,
        message: "no node uses this connection",
      })),
    ...functions
      .filter(({ name }) => !calls.has(name))
      .map(({ name }): Warning => ({
        code: "unused-function",
        path: `spec.pipeline.functions[${name}]`,
        message: "no node uses this function",
      })),
  ];
}

const PARAMETER = /\bparams\.([A-Za-z_][A-Za-z0-9_]*)/g;

/** An expression that reads a parameter which nobody gives fails on each record. */
function unknownParameters({ pipeline, parameters = {} }: Job): Warning[] {
  return pipeline.nodes.flatMap((node) => {
    const { source: _, sink, ...own } = node;
    const expressions = [own, sinkTexts(sink).expressions];
    const named = [...JSON.stringify(expressions).matchAll(PARAMETER)].map((match) => match[1] as string);
    return [...new Set(named)]
      .filter((name) => !Object.hasOwn(parameters, name))
      .map((name): Warning => {
        const message = `params.${name} is not in spec.parameters: the expression would fail on each record`;
        const expression = { text: `params.${name}`, offset: 0, message };
        return { code: "unknown-parameter", path: `spec.pipeline.nodes[${node.name}]`, message, expression };
      });
  });
}

/** `{4}` is how often a pattern matches. */
const PLACEHOLDER = /(?<![{$])\{([A-Za-z_][A-Za-z0-9_]*)\}/g;

/** `{name}` is filled in the texts of sources, sinks and connections, where a parameter is called so; never in expressions. */
function unfilled({ pipeline, parameters = {} }: Job): Warning[] {
  const { connections = [], nodes } = pipeline;
  const found = (path: string, texts: unknown, message: (name: string) => string | undefined): Warning[] =>
    [...new Set([...JSON.stringify(texts ?? {}).matchAll(PLACEHOLDER)].map((match) => match[1] as string))].flatMap(
      (name): Warning[] => {
        const told = message(name);
        if (told === undefined) return [];
        return [
          {
            code: "unknown-parameter",
            path,
            message: told,
            expression: { text: `{${name}}`, offset: 0, message: told },
          },
        ];
      },
    );
  const missing = (name: string): string | undefined =>
    Object.hasOwn(parameters, name) ? undefined : `{${name}} is not in spec.parameters, and stays as it is written`;
  const inside = (name: string): string | undefined =>
    Object.hasOwn(parameters, name) ? `{${name}} is not filled in an expression; write params.${name}` : undefined;
  return [
    ...connections.flatMap((connection) => found(`spec.pipeline.connections[${connection.name}]`, connection, missing)),
    ...nodes.flatMap(({ name, source, sink, ...own }) => [
      ...(source?.custom === undefined ? found(at(name, "source"), source, missing) : []),
      ...(sink?.custom === undefined ? found(at(name, "sink"), sinkTexts(sink).filled, missing) : []),
      ...Object.entries(sinkTexts(sink).expressions).flatMap(([field, text]) => found(at(name, field), text, inside)),
      ...found(`spec.pipeline.nodes[${name}]`, { ...own, join: { ...own.join, lookup: undefined } }, inside),
    ]),
  ];
}

/** What a sink says in expressions, by field, and what is filled. */
function sinkTexts(sink: PipelineNode["sink"]): { expressions: Readonly<Record<string, unknown>>; filled: unknown } {
  const kafka = sink?.kafka;
  if (kafka === undefined) return { expressions: {}, filled: sink };
  const { key, headers, ...filled } = kafka;
  return { expressions: { "sink.kafka.key": key, "sink.kafka.headers": headers }, filled };
}

/** The name of a result's field is no expression: `event.x` makes an object `event` with a field `x`. */
function fieldsNamedEvent({ nodes }: Pipeline): Warning[] {
  return nodes.flatMap((node) =>
    Object.entries({
      map: node.map,
      "join.select": node.join?.select,
      "broadcast.select": node.broadcast?.select,
    }).flatMap(([field, names = {}]) =>
      Object.keys(names)
        .filter((name) => name.startsWith("event."))
        .map((name): Warning => {
          const inside = name.slice("event.".length);
          const message = `"${name}" makes a field "event" of the result, to be read as event.${name}; write ${inside}`;
          return { code: "field-named-event", path: at(node.name, field), message };
        }),
    ),
  );
}

function tooParallel(spec: Job, { parallelismLimit }: Plan): Warning[] {
  const { parallelism } = effectiveSpec(spec);
  if (parallelismLimit === null || parallelism <= parallelismLimit.max) return [];
  const { max, reason } = parallelismLimit;
  const message = `${parallelism} workers are wanted, but no more than ${max} can run: ${reason}`;
  return [{ code: "parallelism-beyond-keys", path: "spec.parallelism", message }];
}

function volatileState(spec: Job, plan: Plan): Warning[] {
  const { storage, delivery } = effectiveSpec(spec).checkpoint;
  if (!storage.uri.startsWith("memory:")) return [];
  const exactly =
    delivery === "ExactlyOnce" || JSON.stringify(spec.pipeline.nodes).includes('"delivery":"ExactlyOnce"');
  const keyed = plan.nodes.find((node) => "keying" in node);
  if (!exactly && keyed === undefined) return [];
  const lost = exactly ? "ExactlyOnce cannot be kept" : `the state of node "${keyed?.name}" is lost and it starts anew`;
  const message = `memory:// ends with its worker: after a restart ${lost}; keep checkpoints in file:///… on a volume`;
  return [{ code: "state-not-durable", path: "spec.checkpoint.storage.uri", message }];
}

function growingState({ pipeline, state }: Job): Warning[] {
  if (state?.ttl !== undefined) return [];
  return pipeline.nodes.flatMap(({ name, dedup, distinct, join, ttl }): Warning[] => {
    const grows = (field: string, what: string): Warning[] => [
      {
        code: "state-grows",
        path: at(name, field),
        message: `keeps every ${what} for ever: its state grows with each new one; set ttl, or spec.state.ttl`,
      },
    ];
    if (dedup !== undefined && dedup.ttl === undefined) return grows("dedup", "key");
    if (distinct !== undefined && distinct.ttl === undefined) return grows("distinct", "key");
    const isUnbounded = join !== undefined && join.lookup === undefined && !isTimedJoin(join);
    return isUnbounded && ttl === undefined ? grows("join", "record of both sides") : [];
  });
}
