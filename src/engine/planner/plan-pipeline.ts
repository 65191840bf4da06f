import { checkPipeline } from "../../api/check.ts";
import type { Pipeline, PipelineNode } from "../../api/pipeline.schema.ts";
import { summary } from "../../api/problem.ts";
import { isTimedJoin } from "../../api/join-check.ts";
import { isOfEventTime, isOfProcessingTime } from "../../api/window-check.ts";
import { isWeirError, WeirError } from "../../errors.ts";
import type { ErrorCode } from "../../errors.ts";
import { PLAN_VERSION } from "../plan.ts";
import type { Delivery, Plan, PlanInput, PlanSink, PlanSource } from "../plan.ts";
import { broadcastOperation, markBroadcasts } from "./broadcasts.ts";
import { placeBuffers } from "./buffers.ts";
import { deliveryOf, refuseTwoDeciders } from "./delivery.ts";
import { sinkEndpoint, sourceEndpoint } from "./endpoints.ts";
import { limitOf, planExchanges } from "./exchanges.ts";
import { checkExpression, nodePath } from "./expressions.ts";
import { keyings } from "./keying.ts";
import { lookupOperation } from "./lookups.ts";
import { operation, sourceFields } from "./operations.ts";
import { processOperation } from "./process-operation.ts";
import { keyTypes, refuseUnequalKeys } from "./key-types.ts";
import type { KnownNode } from "./key-types.ts";
import { planHash } from "./plan-hash.ts";
import { refuseUnsuitable } from "./sink-rules.ts";
import { inputSchema, refuseHidden, schemasOf } from "./source-schema.ts";
import { withStateTtl } from "./state-ttl.ts";
import { streamGraph } from "./stream-graph.ts";
import type { GraphNode, StreamGraph } from "./stream-graph.ts";

export interface PlanOptions {
  readonly parameters: Readonly<Record<string, string>>;
  readonly maxParallelism: number;
  /** What sinks promise that say nothing themselves; at least once without it. */
  readonly delivery?: Delivery;
  /** How long keys are kept of which no node and no window says when they end: a duration. */
  readonly stateTtl?: string | undefined;
}

/**
 * Compiles `spec.pipeline` (already valid by its schema) into the physical plan. Throws a WeirError that names the node:
 * PIPELINE_INVALID, EXPRESSION_INVALID, EXPRESSION_OVER_BUDGET or SPEC_NOT_IMPLEMENTED.
 */
export function planPipeline(pipeline: Pipeline, options: PlanOptions): Plan {
  const { plan, errors } = checkedPlan(pipeline, options);
  if (errors[0] !== undefined) throw errors[0];
  return plan;
}

/** A plan with everything that is wrong with it: with errors it must not run. */
export interface CheckedPlan {
  readonly plan: Plan;
  readonly errors: readonly WeirError[];
}

/** The same, but finds every error of the nodes. Throws where the graph is not sound. */
export function checkedPlan(pipeline: Pipeline, options: PlanOptions): CheckedPlan {
  refuseUnsound(pipeline);
  const errors: WeirError[] = [];
  const report = (error: WeirError): void => void errors.push(error);
  const graph = streamGraph(pipeline.nodes.map((node) => withStateTtl(node, options.stateTtl)));
  const { parameters, delivery = "AtLeastOnce" } = options;
  const context = { pipeline, parameters, delivery };
  const each = <T>(nodes: readonly GraphNode[], plan: (node: GraphNode) => T): T[] =>
    nodes.flatMap((node) => attempt(() => [plan(node)], node.name, report) ?? []);
  const sources = each(
    graph.nodes.filter((n) => n.spec.source !== undefined),
    (n) => planSource(n, context),
  );
  const sinks = each(
    graph.nodes.filter((n) => n.spec.sink !== undefined),
    (n) => planSink(n, context, report),
  );
  for (const sink of sinks) attempt(() => refuseUnsuitable(sink), sink.node, report);
  attempt(() => refuseTwoDeciders(sinks), sinks[0]?.node ?? "", report);
  const byName = new Map(sources.map((s) => [s.node, s]));
  checkEventTime(graph, byName).forEach(report);
  checkDeadReaders(graph).forEach(report);
  const keying = keyings(graph, byName);
  const schemas = schemasOf(graph);
  const known = each(
    graph.nodes.filter((n) => n.spec.source === undefined && n.spec.sink === undefined),
    (n): KnownNode => {
      const mode = keying.get(n.name)?.mode;
      const event = inputSchema(n, schemas);
      const sides = n.inputs.map((i) => schemas.get(i.node));
      const node =
        processOperation(n, mode, { pipeline, event, report }) ??
        broadcastOperation(n, { sides, report }) ??
        lookupOperation(n, { pipeline, parameters, event, report }) ??
        operation(n, mode, { event, sides, report });
      return { node, event, sides };
    },
  );
  known.forEach((of) => attempt(() => refuseUnequalKeys(of), of.node.name, report));
  const nodes = known.map(({ node }) => node);
  const buffered = attempt(() => placeBuffers(graph, { nodes, sinks }), "", report);
  const { buffers, ...readers } = buffered ?? { buffers: [], nodes, sinks };
  const exchanges = planExchanges({ sources, buffers, ...readers, pipeline, delivery }, options.maxParallelism);
  const body = {
    version: PLAN_VERSION,
    maxParallelism: options.maxParallelism,
    parameters: options.parameters,
    sources: attempt(() => markBroadcasts(graph, sources), "", report) ?? sources,
    ...readers,
    // Left out where there are none: the plans of jobs that run would have another hash, and start anew.
    ...(buffers.length === 0 ? {} : { buffers }),
    ...(typeof exchanges === "string" || exchanges.length === 0 ? {} : { exchanges }),
    ...keyTypes(known),
    parallelismLimit: limitOf(keying, exchanges),
  } as const;
  return { plan: { ...body, hash: planHash(body) }, errors };
}

type Report = (error: WeirError) => void;

/** One error does not hide the others. `node` is where it is, unless its message begins with another. */
function attempt<T>(plan: () => T, node: string, report: Report): T | undefined {
  try {
    return plan();
  } catch (e) {
    if (!isWeirError(e)) throw e;
    const named = /^(?:node|sink) "([^"]+)"/.exec(e.message)?.[1] ?? node;
    report(e.place === undefined ? nodeError(named, e.message, e.code) : e);
    return undefined;
  }
}

/** The message names the node, because not everybody who shows it has the place. `at` may go on to a field: `hot.from`. */
function nodeError(at: string, message: string, code: ErrorCode = "PIPELINE_INVALID"): WeirError {
  const [node = "", field] = at.split(".");
  const start = `node "${node}"`;
  const short = message.startsWith(start) ? message.slice(start.length).replace(/^[:,]? /, "") : message;
  const path = node === "" ? "spec.pipeline.nodes" : nodePath(node);
  return new WeirError(code, message, {
    place: { path: field === undefined ? path : `${path}.${field}`, message: short },
  });
}

/** The checks that a job gets at admission hold for a pipeline from anywhere. */
function refuseUnsound(pipeline: Pipeline): void {
  const problems = checkPipeline(pipeline);
  const [first] = problems;
  if (first !== undefined) throw new WeirError(first.code, summary(problems));
}

interface Context {
  readonly pipeline: Pipeline;
  readonly delivery: Delivery;
  readonly parameters: Readonly<Record<string, string>>;
}

function planSource(node: GraphNode, context: Context): PlanSource {
  if (node.spec.source === undefined) throw new WeirError("INTERNAL", `"${node.name}" is not a source`);
  refuseHidden(node.spec);
  const { connector, config, secretRef } = sourceEndpoint(node.spec.source, { ...context, node: node.name });
  return { node: node.name, connector, config, secretRef, ...sourceFields(node.spec) };
}

function planSink(node: GraphNode, context: Context, report: Report): PlanSink {
  if (node.spec.sink === undefined) throw new WeirError("INTERNAL", `"${node.name}" is not a sink`);
  const {
    connector,
    config,
    secretRef,
    key,
    headers,
    delivery: own,
  } = sinkEndpoint(node.spec.sink, { ...context, node: node.name });
  const delivery = deliveryOf({ node: node.name, connector }, own, context.delivery);
  return {
    node: node.name,
    connector,
    config,
    secretRef,
    inputs: node.inputs,
    ...(delivery === "AtLeastOnce" ? {} : { delivery }),
    key: key === null ? null : checkExpression({ name: node.name, report }, key),
    ...(headers && {
      headers: Object.entries(headers).map(([name, text]) => {
        return { name, expression: checkExpression({ name: node.name, report }, text) };
      }),
    }),
    onError: node.spec.onError ?? "Fail",
  };
}

/** A window fires by watermarks, and only a source with event time makes them. */
function checkEventTime(graph: StreamGraph, sources: ReadonlyMap<string, PlanSource>): WeirError[] {
  const errors: WeirError[] = [];
  const timeless = new Map<string, string | undefined>();
  for (const node of graph.nodes) {
    const source = sources.get(node.name);
    const missing =
      source === undefined
        ? timedInputs(node)
            .map((i) => timeless.get(i.node))
            .find((s) => s !== undefined)
        : source.eventTime === null
          ? node.name
          : undefined;
    timeless.set(node.name, isOfProcessingTime(node.spec.window) ? undefined : missing);
    if (firesByTime(node.spec) && missing !== undefined)
      errors.push(
        nodeError(
          `${node.name}.${node.spec.join === undefined ? "window" : "join"}`,
          `node "${node.name}" ${node.spec.join === undefined ? "has a window of" : "joins by"} event time, but its source "${missing}" has no eventTime; add eventTime: {field: event.…}`,
        ),
      );
  }
  return errors;
}

/** A table has no part in time. */
const timedInputs = ({ spec, inputs }: GraphNode): readonly PlanInput[] =>
  spec.broadcast === undefined ? inputs : inputs.slice(0, -1);

/** What a source rejects is not JSON: it has no fields, so it can only be kept as it is. */
function checkDeadReaders(graph: StreamGraph): WeirError[] {
  const errors: WeirError[] = [];
  const undecoded = new Set<string>();
  const isUndecoded = (i: PlanInput): boolean =>
    undecoded.has(i.node) || (i.output === "dead" && graph.byName.get(i.node)?.spec.source !== undefined);
  for (const node of graph.nodes) {
    const from = node.inputs.find(isUndecoded);
    if (from === undefined) continue;
    if (passesUnread(node.spec)) undecoded.add(node.name);
    else if (node.spec.sink === undefined || isKeyed(node.spec.sink))
      errors.push(
        nodeError(
          `${node.name}.from`,
          `node "${node.name}" reads "${from.node}.${from.output}", whose records are not valid JSON; only a sink without a key and headers can read it`,
        ),
      );
  }
  return errors;
}

const isKeyed = ({ kafka }: NonNullable<PipelineNode["sink"]>): boolean =>
  kafka?.key !== undefined || kafka?.headers !== undefined;

const firesByTime = ({ window, join }: PipelineNode): boolean =>
  isOfEventTime(window) || window?.global?.trigger.every !== undefined || isTimedJoin(join);

function passesUnread({ union, rateLimit, peek }: PipelineNode): boolean {
  return union !== undefined || rateLimit !== undefined || (peek !== undefined && peek.message === undefined);
}
