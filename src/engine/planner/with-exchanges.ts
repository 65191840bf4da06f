import type { StartDocument } from "../../api/worker-protocol.ts";
import type { ExchangeConfig } from "../connectors/exchange/config.ts";
import { exchangeTopic } from "../connectors/exchange/topic-name.ts";
import type { Plan, PlanExchange, PlanInput, PlanNode, PlanSink, PlanSource } from "../plan.ts";

type Launch = Pick<StartDocument, "namespace" | "job" | "slots" | "exchange"> & {
  readonly checkpoint: Pick<StartDocument["checkpoint"], "retain">;
};

export const EXCHANGE = "exchange";

/**
 * The plan that a slot runs: where the launch has exchanges, each is a sink, a topic and a source, and the keyed node
 * behind it finds a record's shard in its partition. Programs see an ordinary plan.
 */
export function withExchanges(plan: Plan, start: Launch): Plan {
  const { exchange } = start;
  const { exchanges = [] } = plan;
  if (exchange === undefined || exchanges.length === 0) return plan;
  const config = (of: PlanExchange): ExchangeConfig => configOf(of, { plan, start, ...exchange });
  return {
    ...plan,
    sources: [...plan.sources, ...exchanges.map((e) => sourceOf(e, config(e)))],
    nodes: plan.nodes.map((node) => readingFrom(node, exchanges)),
    sinks: [...plan.sinks, ...exchanges.map((e) => sinkOf(e, config(e)))],
  };
}

function configOf(
  { config, node, delivery }: PlanExchange,
  { plan, start, ...of }: { plan: Plan; start: Launch } & NonNullable<Launch["exchange"]>,
): ExchangeConfig {
  const { namespace, job, slots, checkpoint } = start;
  return {
    ...(config as Pick<ExchangeConfig, "brokers">),
    topic: exchangeTopic({ job: `${namespace}.${job}`, node: node.replace("~exchange", ""), ...of }),
    partitions: plan.maxParallelism,
    slots,
    committed: delivery === "ExactlyOnce",
    retain: checkpoint.retain,
  };
}

/** `w~exchange` is written, `w~exchanged` is read: each is counted for itself. */
export const readName = ({ node }: PlanExchange): string => node.replace("~exchange", "~exchanged");

function sourceOf(exchange: PlanExchange, config: ExchangeConfig): PlanSource {
  return {
    node: readName(exchange),
    connector: EXCHANGE,
    config,
    secretRef: exchange.secretRef,
    eventTime: null,
    partitionedBy: null,
    onError: "Fail",
  };
}

function sinkOf(exchange: PlanExchange, config: ExchangeConfig): PlanSink {
  const { node, secretRef, inputs, key, onError, delivery, reader, variable, anyValue } = exchange;
  return {
    node,
    connector: EXCHANGE,
    config,
    secretRef,
    inputs,
    key,
    onError,
    ...(delivery === undefined ? {} : { delivery }),
    exchange: { reader, variable, anyValue },
  };
}

function readingFrom(node: PlanNode, exchanges: readonly PlanExchange[]): PlanNode {
  const own = exchanges.filter((e) => e.reader === node.name);
  if (own.length === 0) return node;
  const inputs = own.map((e): PlanInput => ({ node: readName(e), output: "out" }));
  return { ...node, inputs, keying: "exchanged" } as PlanNode;
}
