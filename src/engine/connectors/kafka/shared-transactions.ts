import type { SinkContext } from "../connector.ts";
import { clusterName } from "./cluster-name.ts";
import { openCluster } from "./cluster.ts";
import type { KafkaConnectionConfig } from "./config.ts";
import { openTransactions, type Transactions } from "./transactions.ts";

/** A sink's part in the transactions that it shares with the others of its slot. */
export interface JoinedTransactions extends Transactions {
  /** Who shares them: see `SinkWriter.decidesWith`. */
  readonly name: string;
  leave(): void;
}

export interface WrittenTopic {
  readonly topic: string;
  /** Weir's own, so it may be deleted: no place to keep a marker where there is another. */
  readonly internal: boolean;
}

interface Shared {
  readonly transactions: Transactions;
  readonly topics: WrittenTopic[];
  members: number;
  close(): void;
}

/** Sinks of one slot on one cluster write in one transaction: what is committed of one is committed of all. */
export function joinTransactions(
  config: KafkaConnectionConfig,
  context: SinkContext,
  written: WrittenTopic,
): JoinedTransactions {
  const name = clusterName(config);
  const common = context.common ?? new Map<string, unknown>();
  const shared = (common.get(name) as Shared | undefined) ?? share(config, context);
  common.set(name, shared);
  shared.topics.push(written);
  shared.members++;
  return {
    ...shared.transactions,
    name,
    leave: () => {
      if (--shared.members > 0) return;
      common.delete(name);
      shared.close();
    },
  };
}

function share(config: KafkaConnectionConfig, context: SinkContext): Shared {
  const closing = new AbortController();
  const ctx = { ...context, signal: AbortSignal.any([context.signal, closing.signal]) };
  const topics: WrittenTopic[] = [];
  // The same at every start, in whatever order the sinks were opened.
  const topicOfMarker = (): string =>
    topics.toSorted((a, b) => Number(a.internal) - Number(b.internal) || (a.topic < b.topic ? -1 : 1))[0]?.topic ?? "";
  const transactions = openTransactions(openCluster(config, ctx), ctx, topicOfMarker);
  return { transactions, topics, members: 0, close: () => closing.abort() };
}
