import { setTimeout as delay } from "node:timers/promises";
import type { SinkWriter } from "../connector.ts";
import type { Lane } from "./lane.ts";
import type { Producer } from "./producer.ts";
import type { JoinedTransactions } from "./shared-transactions.ts";

/** A worker that ends must not wait long for a broker: an open transaction is aborted by its successor, too. */
const ABORT_MS = 2_000;

/**
 * A writer whose records count when their checkpoint's transaction is committed. From a barrier to its commit the
 * records of the next checkpoint wait in memory: a producer has one transaction at a time.
 */
export function transactional(
  writer: SinkWriter,
  { lanes, producer, transactions }: { lanes: readonly Lane[]; producer: Producer; transactions: JoinedTransactions },
): SinkWriter {
  return {
    ...writer,
    committed: transactions.committed,
    decidesWith: transactions.name,
    prepare: () => {
      for (const lane of lanes) lane.limit = lane.sealed;
      // After a checkpoint that was never committed, the limit of that one held back what this one waits for.
      producer.pump();
      return Promise.resolve(transactions.describe());
    },
    commit: async (checkpointId) => {
      await transactions.commit(checkpointId);
      for (const lane of lanes) lane.limit = Infinity;
      producer.pump();
    },
    close: async () => {
      const aborted = producer.failure() === undefined ? transactions.abort().catch(() => undefined) : undefined;
      await Promise.race([aborted, delay(ABORT_MS, undefined, { ref: false })]);
      transactions.leave();
      await writer.close();
    },
  };
}
