import { ownerOf } from "../../api/worker-protocol.ts";
import { clusterName } from "../connectors/kafka/cluster-name.ts";
import type { KafkaConnectionConfig } from "../connectors/kafka/config.ts";
import type { PlanExchange } from "../plan.ts";
import type { SlotOptions } from "./slot-options.ts";

export type DiscardOptions = Pick<
  SlotOptions,
  "plan" | "start" | "secret" | "configMap" | "resolvePath" | "clock" | "signal"
>;

/**
 * Deletes the topics between the workers of a job that nobody goes on from, of every generation: also with one worker, as there
 * may have been more. Gives their names; rejects with what was in the way when the signal fires first.
 */
export async function discardExchanges(options: DiscardOptions): Promise<readonly string[]> {
  const { plan, start, secret, configMap, resolvePath, clock, signal } = options;
  const clusters = Map.groupBy(plan.exchanges ?? [], (e) => clusterName(connectionOf(e)));
  if (clusters.size === 0) return [];
  const { deleteExchanges } = await import("../connectors/exchange/topics.ts");
  const job = `${start.namespace}.${start.job}`;
  const deleted: string[] = [];
  for (const [first] of clusters.values()) {
    if (first === undefined) continue;
    const { node, secretRef } = first;
    let trouble: string | undefined;
    const context = {
      node,
      job,
      clock,
      secret: (key: string) => (secretRef === null ? undefined : secret(secretRef, key)),
      referenced: (kind: "Secret" | "ConfigMap", name: string, key: string) =>
        kind === "Secret" ? secret(name, key) : configMap(name, key),
      resolvePath,
      report: (problem: { readonly message: string } | undefined) => {
        trouble = problem?.message;
      },
      signal,
    };
    const owner = exchangeOwner(start);
    const gone = await deleteExchanges(connectionOf(first), context, { job, owner }).catch((cause: unknown) => {
      throw trouble === undefined ? cause : new Error(trouble, { cause });
    });
    deleted.push(...gone);
  }
  return deleted;
}

/** A single worker has none now, and may have been several before. */
const exchangeOwner = ({ exchange, jobUid }: DiscardOptions["start"]): string | undefined =>
  exchange === undefined ? ownerOf(jobUid) : exchange.owner;

/** The planner has it from an end of the pipeline whose connector is Kafka. */
const connectionOf = ({ config }: PlanExchange): KafkaConnectionConfig => config as unknown as KafkaConnectionConfig;
