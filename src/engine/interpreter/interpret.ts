import { evaluate } from "../../expression/interpret.ts";
import { parseExpression } from "../../expression/parse.ts";
import type { BroadcastNode } from "../broadcast/broadcast-table.ts";
import type { EdgeBuffer } from "../buffers/edge-buffer.ts";
import { edgeBuffers, programBuffers } from "../buffers/program-buffer.ts";
import { canonicalJson } from "../canonical-json.ts";
import type { RecordHeader, SinkWriter } from "../connectors/connector.ts";
import type { JoinNode } from "../joins/join-node.ts";
import { SIDES } from "../joins/row.ts";
import type { Side } from "../joins/row.ts";
import { KeyedProcess } from "../functions/keyed-process.ts";
import type { KeyedProcessNode } from "../functions/process-node.ts";
import type { LookupQueue } from "../lookups/lookup-queue.ts";
import { inPlanOrder, lookupQueues, programLookups } from "../lookups/program-lookup.ts";
import { nodeCounters } from "../node-counters.ts";
import { VARIABLES } from "../planner/field-path.ts";
import type { Variable } from "../planner/field-path.ts";
import { without } from "../record-fields.ts";
import type { Keying, Plan, PlanBuffer, PlanNode, PlanSink } from "../plan.ts";
import { ProcessingTime } from "../processing-time.ts";
import { decodes, programGraph } from "../program-graph.ts";
import type { ProgramGraph, Reader } from "../program-graph.ts";
import type { NodeCounters, Program, ProgramInput, ProgramOptions } from "../program.ts";
import { Watermarks } from "../watermarks.ts";
import { recordHeaders, recordKey, successorKey } from "../windows/key.ts";
import { murmur2, shardOf } from "../windows/murmur2.ts";
import { broadcastPushes } from "./broadcast.ts";
import { joinGive, joinPush } from "./join.ts";
import { aggregatePush, dedupPush, giveRow, topPush } from "./keyed-operators.ts";
import type { AggregateNode, AroundKeys } from "./keyed-operators.ts";
import { lookupPush } from "./lookup.ts";
import type { NaiveJoin } from "./naive-join.ts";
import { NaiveFunctionState } from "./naive-function-state.ts";
import { keyedProcess, recordProcess } from "./process-operators.ts";
import { naiveState } from "./naive-states.ts";
import type { AggregateState } from "./naive-states.ts";
import { guarded } from "./operators.ts";
import { changed, only, outRecord, requireKey } from "./record-values.ts";
import type { Expression } from "./record-values.ts";
import type { Flowing, Push, Stage } from "./operators.ts";
import { branchPush, filterPush, flatMapPush, mapPush, peekPush } from "./record-operators.ts";
import { startInput, type Start } from "./start-input.ts";

const isAggregate = (node: PlanNode): node is AggregateNode =>
  node.kind === "windowAggregate" || node.kind === "keyedAggregate";

/** A join is pushed to from two sides. */
const pushName = ({ name }: PlanNode, side: Side): string => `${name}/${side}`;

/** The oracle: the plan run one record at a time by JSON.parse and `evaluate`. Slow and easy to believe. */
export function interpret(plan: Plan, options: ProgramOptions): Program {
  const interpreter = new Interpreter(plan, options);
  const { buffers, lookups } = interpreter;
  const waiting = new Map([...buffers, ...[...lookups].map(([name, { time }]) => [name, time] as const)]);
  const watermarks = new Watermarks(plan, { advance: interpreter.advances, buffered: waiting, sinks: options.sinks });
  const behind = new Map((plan.buffers ?? []).map(({ node }) => [node, interpreter.behind(node)]));
  return {
    inputs: new Map(plan.sources.map((source) => [source.node, interpreter.input(source)])),
    keyed: [
      ...plan.nodes.flatMap(({ name }) => interpreter.states.get(name) ?? interpreter.processes.get(name) ?? []),
      ...lookups.values(),
    ],
    advanceWatermark: (source, watermark) => watermarks.advance(source, watermark),
    setIdle: (source, idle) => watermarks.setIdle(source, idle),
    advanceProcessingTime: (now, held = false) => {
      if (!interpreter.time.isUsed) return;
      interpreter.time.advance(now);
      if (!held) watermarks.advanceProcessingTime(interpreter.time.now);
    },
    end: (source) => watermarks.advance(source, Number.POSITIVE_INFINITY),
    buffers: inPlanOrder(plan, [
      ...programBuffers(buffers, watermarks, (node, batch) => behind.get(node)?.process(batch)),
      ...programLookups(lookups, watermarks),
    ]),
    counters: () => interpreter.counters,
  };
}

class Interpreter {
  readonly counters: ReadonlyMap<string, NodeCounters>;
  readonly states = new Map<string, AggregateState | NaiveJoin>();
  readonly processes = new Map<string, KeyedProcess>();
  readonly advances = new Map<string, (watermark: number) => void>();
  private readonly plan: Plan;
  private readonly options: ProgramOptions;
  private readonly graph: ProgramGraph;
  readonly buffers: ReadonlyMap<string, EdgeBuffer>;
  readonly time: ProcessingTime;
  readonly lookups: ReadonlyMap<string, LookupQueue>;
  private readonly pushes = new Map<string, Push>();

  constructor(plan: Plan, options: ProgramOptions) {
    this.plan = plan;
    this.options = options;
    this.graph = programGraph(plan);
    this.counters = nodeCounters(plan);
    this.buffers = edgeBuffers(plan);
    this.lookups = lookupQueues(plan, options);
    for (const node of plan.nodes) {
      if (node.kind === "keyedProcess") this.processes.set(node.name, this.processOf(node));
      const state = naiveState(node);
      if (state !== undefined) this.states.set(node.name, state);
    }
    this.time = new ProcessingTime(plan, [...this.states.values()]);
    for (const node of plan.nodes.toReversed())
      if (node.kind === "broadcast")
        broadcastPushes({ node, stage: this.stage(node.name, node.onError), parameters: options.parameters }).forEach(
          (push, side) => this.pushes.set(pushName(node, side as Side), this.push(node, push)),
        );
      else if (node.kind !== "join") this.pushes.set(pushName(node, 0), this.push(node, this.operator(node)));
      else for (const side of SIDES) this.pushes.set(pushName(node, side), this.push(node, this.join(node, side)));
    for (const node of plan.nodes) {
      const process = this.processes.get(node.name);
      if (process !== undefined) this.advances.set(node.name, (watermark) => process.advance(watermark));
      const state = this.states.get(node.name);
      if (state !== undefined) this.advances.set(node.name, this.advanceOf(node, state));
    }
  }

  private advanceOf(node: PlanNode, state: AggregateState | NaiveJoin): (watermark: number) => void {
    if (node.kind === "join") return this.advanceJoin(node);
    if (isAggregate(node)) return this.advance(node, state as AggregateState);
    return (watermark) => state.advance(watermark, () => undefined);
  }

  private processOf(node: KeyedProcessNode): KeyedProcess {
    const counters = this.counters.get(node.name) as NodeCounters;
    return new KeyedProcess(node, { options: this.options, store: new NaiveFunctionState(node.ttlMs), counters });
  }

  private expression(text: string, variable: Variable = "event"): Expression {
    const parsed = parseExpression(text, { variables: VARIABLES });
    return (event) => evaluate(parsed, { [variable]: event, params: this.options.parameters });
  }

  private stage(name: string, onError: Stage["onError"]): Stage {
    const counters = this.counters.get(name) as NodeCounters;
    const outputs = new Map<string, Push>();
    const output = (port: string): Push => {
      let push = outputs.get(port);
      if (push === undefined) {
        const readers = this.graph.readers(name, port).map((r) => this.reader(r));
        outputs.set(port, (push = (event) => readers.forEach((read) => read(event))));
      }
      return push;
    };
    const counted = (port: string): Push => {
      const push = output(port);
      if (port === "dead" || port === "late") return push;
      return (event) => {
        counters.out++;
        push(event);
      };
    };
    return { name, onError, counters, output: counted };
  }

  private reader(reader: Reader): Push {
    if (reader.kind === "sink") return this.sink(reader.sink);
    if (reader.kind === "buffer") return this.buffer(reader.buffer);
    return this.pushes.get(pushName(reader.node, reader.side)) as Push;
  }

  private push({ name }: PlanNode, run: Push): Push {
    const counters = this.counters.get(name) as NodeCounters;
    return (event) => {
      counters.in++;
      run(event);
    };
  }

  private operator(node: Exclude<PlanNode, JoinNode | BroadcastNode>): Push {
    const stage = this.stage(node.name, node.onError);
    switch (node.kind) {
      case "union":
        return (event) => stage.output("out")(event);
      case "filter":
        return filterPush(stage, this.expression(node.condition));
      case "map":
        return mapPush(
          stage,
          node.fields.map((f) => ({ path: f.path, run: this.expression(f.expression) })),
        );
      case "branch":
        return branchPush(
          stage,
          node.cases.map((c) => ({ name: c.name, when: this.expression(c.when) })),
          node.otherwise,
        );
      case "windowAggregate":
      case "keyedAggregate":
        return aggregatePush(this.aroundKeys(stage, node), this.time);
      case "dedup":
        return dedupPush(this.aroundKeys(stage, node));
      case "topN":
        return topPush(this.aroundKeys(stage, node));
      case "select":
        return (event) => stage.output("out")(changed(event, only(event.value, node.paths)));
      case "drop":
        return (event) => stage.output("out")(changed(event, without(event.value, node.paths)));
      case "flatMap":
        return flatMapPush(stage, this.expression(node.expression));
      case "peek":
        return peekPush(stage, {
          every: node.every,
          text: node.message === null ? undefined : this.expression(node.message),
          show: (line) => this.options.peek?.(node.name, line),
        });
      case "rateLimit":
        return (event) => stage.output("out")(event);
      case "lookup": {
        const queue = this.lookups.get(node.name) as LookupQueue;
        return lookupPush({ node, stage, parameters: this.options.parameters }, queue);
      }
      case "process":
        return recordProcess(stage, node, this.options);
      case "keyedProcess":
        return this.keyedProcess(stage, node);
    }
  }

  private aroundKeys<Node extends PlanNode, State>(stage: Stage, node: Node): AroundKeys<Node, State> {
    return {
      stage,
      node,
      state: this.states.get(node.name) as State,
      expression: (text) => this.expression(text),
      shardOf: (of, event, key) => this.shardOf(of, event, key),
    };
  }

  private aroundJoin(node: JoinNode) {
    const state = this.states.get(node.name) as NaiveJoin;
    return { node, state, stage: this.stage(node.name, node.onError), parameters: this.options.parameters };
  }

  private join(node: JoinNode, side: Side): Push {
    return joinPush(this.aroundJoin(node), side, (event, key) => this.shardOf(node, event, key));
  }

  private advanceJoin(node: JoinNode): (watermark: number) => void {
    const around = this.aroundJoin(node);
    const give = joinGive(around);
    return (watermark) => around.state.advance(watermark, give);
  }

  private keyedProcess(stage: Stage, node: KeyedProcessNode): Push {
    const process = this.processes.get(node.name) as KeyedProcess;
    const run = this.expression(node.key);
    const place = (event: Flowing): { shard: number; key: string } => {
      const key = requireKey(run(event.value));
      return { key, shard: this.shardOf(node, event, key) };
    };
    return keyedProcess(stage, { node, process, place });
  }

  private shardOf(node: { readonly keying: Keying }, event: Flowing, key: string): number {
    if (node.keying !== "local") return event.shard;
    const bytes = Buffer.from(key);
    return shardOf(murmur2(bytes, 0, bytes.length), this.plan.maxParallelism);
  }

  private advance(node: AggregateNode, state: AggregateState): (watermark: number) => void {
    const stage = this.stage(node.name, node.onError);
    return (watermark) => state.advance(watermark, (row, shard) => giveRow(stage, { node, state, row }, shard));
  }

  private sink(sink: PlanSink): Push {
    if (sink.exchange !== undefined) return this.exchange(sink, sink.exchange);
    const stage = this.stage(sink.node, sink.onError);
    const writer = this.options.sinks.get(sink.node) as SinkWriter;
    const key = sink.key === null ? undefined : this.expression(sink.key);
    const headers = sink.headers?.map(({ name, expression }) => ({ name, run: this.expression(expression) }));
    return (event) => {
      stage.counters.in++;
      const found = guarded(stage, event, () => ({
        headers: headers && recordHeaders(headers.map(({ name, run }): RecordHeader => [name, run(event.value)])),
        key: recordKey(key?.(event.value)),
      }));
      if (found === undefined) return;
      writer.append({ ...outRecord(event, found.value.key), headers: found.value.headers });
      stage.counters.out++;
    };
  }

  /** A record whose key fails is the reader's, as if it had come there. */
  private exchange(sink: PlanSink, { reader, variable, anyValue }: NonNullable<PlanSink["exchange"]>): Push {
    const counters = this.counters.get(sink.node) as NodeCounters;
    const stage = this.stage(reader, sink.onError);
    const writer = this.options.sinks.get(sink.node) as SinkWriter;
    const key = this.expression(sink.key ?? "null", variable);
    const text = anyValue ? canonicalJson : requireKey;
    return (event) => {
      counters.in++;
      const found = guarded(stage, event, () => text(key(event.value)));
      if (found === undefined) return;
      writer.append(outRecord(event, found.value));
      counters.out++;
    };
  }

  private buffer({ node, key, variable }: PlanBuffer): Push {
    const queue = this.buffers.get(node) as EdgeBuffer;
    const keyOf = key === null ? undefined : this.expression(key, variable);
    return (event) => queue.append(outRecord(event, keyOrNone(keyOf, event)), event.shard);
  }

  behind(node: string): ProgramInput {
    return this.input({ node, onError: "Fail", eventTime: null });
  }

  input(source: Start): ProgramInput {
    const stage = this.stage(source.node, source.onError);
    return startInput(source, stage, decodes(this.plan, source.node, this.graph));
  }
}

/** A record whose key fails is nobody's successor: its node says what happens to it. */
function keyOrNone(key: Expression | undefined, event: Flowing): string | undefined {
  try {
    return key === undefined ? undefined : successorKey(key(event.value));
  } catch {
    return undefined;
  }
}
