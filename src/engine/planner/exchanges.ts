import type { Pipeline } from "../../api/pipeline.schema.ts";
import type { Delivery, Plan, PlanBuffer, PlanExchange, PlanInput, PlanNode, PlanSink, PlanSource } from "../plan.ts";
import { decides } from "./delivery.ts";

type Kafka = Pick<PlanExchange, "config" | "secretRef">;
type KeyedNode = Extract<PlanNode, { keying: unknown }>;

export interface Placed {
  readonly sources: readonly PlanSource[];
  readonly nodes: readonly PlanNode[];
  readonly buffers: readonly PlanBuffer[];
  readonly sinks: readonly PlanSink[];
  readonly pipeline: Pipeline;
  /** What the job promises. */
  readonly delivery: Delivery;
}

/**
 * ENGINE.md, Flow 6: an exchange before every keyed node whose key is not the declared one. A string says why there can
 * be none, so that such a job has one worker.
 */
export function planExchanges(placed: Placed, maxParallelism: number): readonly PlanExchange[] | string {
  const readers = placed.nodes.filter((n): n is KeyedNode => "keying" in n && n.keying === "local");
  if (readers.length === 0) return [];
  const moved = behindExchange(placed);
  if (moved !== undefined) return moved;
  if (maxParallelism > MAX_PARTITIONS)
    return `and maxParallelism ${maxParallelism} would be as many partitions of a topic, of which there may be ${MAX_PARTITIONS}`;
  const delivery = exchangeDelivery(placed);
  const kafka = delivery === "ExactlyOnce" ? decidingCluster(placed.sinks) : undefined;
  if (typeof kafka === "string") return kafka;
  const found = kafka ?? firstCluster(placed);
  if (found === undefined)
    return "and the pipeline has no Kafka connection, through which records could go to their keys' workers";
  const common = { ...found, ...(delivery === "ExactlyOnce" ? { delivery } : {}) };
  return readers.flatMap((reader) => sidesOf(reader).map((side) => ({ ...side, ...common })));
}

/** Every shard is a partition, and a broker keeps files open for each. */
const MAX_PARTITIONS = 1024;

type Side = Omit<PlanExchange, "config" | "secretRef" | "delivery">;

function sidesOf(node: KeyedNode): Side[] {
  const { name: reader, inputs, onError } = node;
  const own = { reader, onError };
  if (node.kind === "join")
    return (["left", "right"] as const).map((variable, side) => ({
      ...own,
      node: `${reader}~exchange-${variable}`,
      inputs: inputs.slice(side, side + 1),
      key: node.keys[side] as string,
      variable,
      anyValue: false,
    }));
  const anyValue = node.kind === "dedup" && node.anyValue;
  return [{ ...own, node: `${reader}~exchange`, inputs, key: node.key, variable: "event", anyValue }];
}

/** Behind an exchange no record is in the worker of its source's split any more. */
function behindExchange({ nodes, buffers }: Placed): string | undefined {
  const inputs = new Map([
    ...nodes.map((n) => [n.name, n.inputs] as const),
    ...buffers.map((b) => [b.node, b.inputs] as const),
  ]);
  const isLocal = (name: string): boolean =>
    nodes.some((n) => n.name === name && "keying" in n && n.keying === "local");
  const above = ({ node }: PlanInput): string | undefined => {
    if (isLocal(node)) return node;
    return firstOf(inputs.get(node) ?? [], above);
  };
  return firstOf(nodes, (node) => {
    const local = "keying" in node && node.keying === "declared" ? firstOf(node.inputs, above) : undefined;
    if (local === undefined) return undefined;
    return `and "${node.name}", which is keyed as its source is split, reads behind it; let it read before "${local}"`;
  });
}

function firstOf<T, R>(of: readonly T[], find: (one: T) => R | undefined): R | undefined {
  for (const one of of) {
    const found = find(one);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** Where anything is to be exact, what is counted on the way to it must be. */
function exchangeDelivery({ sinks, delivery }: Placed): Delivery {
  return sinks.some((s) => s.delivery === "ExactlyOnce") ? "ExactlyOnce" : delivery;
}

/** One commit decides what counts: exchanges are in the same transaction as the sink whose system decides. */
function decidingCluster(sinks: readonly PlanSink[]): Kafka | string | undefined {
  const [decider] = sinks.filter(decides);
  if (decider === undefined) return undefined;
  if (decider.connector === "kafka") return clusterOf(decider);
  return (
    `and the sink "${decider.node}" delivers ExactlyOnce by transactions of its own, which those of Kafka, through which ` +
    `records would go to their keys' workers, cannot be part of; set its delivery to AtLeastOnce`
  );
}

function firstCluster({ sources, sinks, pipeline }: Placed): Kafka | undefined {
  const used = [...sources, ...sinks].find((end) => end.connector === "kafka");
  if (used !== undefined) return clusterOf(used);
  const connection = (pipeline.connections ?? []).find((c) => c.kafka !== undefined)?.kafka;
  return connection === undefined ? undefined : clusterOf({ config: connection, secretRef: secretOf(connection) });
}

const secretOf = (config: object): string | null =>
  (config as { sasl?: { secretRef?: { name?: string } } }).sasl?.secretRef?.name ?? null;

/** Of an end's configuration what leads to the cluster. */
function clusterOf({ config, secretRef }: Pick<PlanSink, "config" | "secretRef">): Kafka {
  const { brokers, tls, sasl } = config as Readonly<Record<string, unknown>>;
  const own = { brokers, ...(tls === undefined ? {} : { tls }), ...(sasl === undefined ? {} : { sasl }) };
  return { config: own, secretRef };
}

/** Where its topics between workers are, as Kafka's tools take it: one text a cluster. */
export function exchangeBrokers({ exchanges = [] }: Pick<Plan, "exchanges">): string[] {
  const brokers = exchanges.map(({ config }) =>
    (config as { brokers: readonly string[] }).brokers.slice(0, 3).join(","),
  );
  return [...new Set(brokers)];
}

/** Why a job has one worker, or that it need not. */
export function limitOf(
  keying: ReadonlyMap<string, { readonly mode: string; readonly why: string }>,
  exchanges: readonly PlanExchange[] | string,
): Plan["parallelismLimit"] {
  if (typeof exchanges !== "string") return null;
  const [node, of] = [...keying].find(([, { mode }]) => mode === "local") ?? [];
  if (of === undefined) return null;
  const reason = `node "${node}" keeps its keys in one worker: ${of.why}, ${exchanges}. Declare partitionedBy on its source and key by that field to use more workers`;
  return { max: 1, reason };
}
