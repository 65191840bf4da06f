import { isWeirError, WeirError } from "../../../errors.ts";
import type { SinkContext, Writing } from "../connector.ts";
import { backOff, pause } from "../until-reached.ts";
import { initProducerId, type ProducerIdentity } from "./calls.ts";
import type { Cluster } from "./cluster.ts";
import { coordinator, type Coordinator } from "./coordinator.ts";
import { ErrorCode, errorName } from "./error-codes.ts";
import { findMarker, isOwn, refuseReplaced, transactionalId, type FoundMarker, type Marker } from "./marker.ts";
import {
  addOffsets,
  addPartitions,
  commitOffsetIn,
  endTransaction,
  groupOffsets,
  type OpenTransaction,
} from "./transaction-calls.ts";

/**
 * The transactions of one slot: one at a time, begun by the first record after a checkpoint and ended by the next
 * checkpoint, together with the marker that names it.
 */
export interface Transactions {
  readonly id: string;
  /** See `SinkWriter.committed`. */
  committed(of: Writing, marked: number | undefined): Promise<number | undefined>;
  /** Takes partitions into the open transaction; gives whose records they get. */
  include(topic: string, partitions: readonly number[]): Promise<ProducerIdentity>;
  /** What a checkpoint says of it. */
  describe(): object;
  /** May be said by each of several sinks. */
  commit(checkpointId: number): Promise<void>;
  /** Ends what is open without a trace, for readers that would wait for it. Best effort, and nothing is written any more. */
  abort(): Promise<void>;
}

/** Room for what is not counted on the way to a commit. */
const SPARE_MS = 30_000;
/** A claim meets another worker that claims the same: each takes some 20 ms. */
const MAX_CLAIMS = 50;

/** The broker has given the transaction to somebody else, or ended it itself. */
const LOST: ReadonlySet<number> = new Set([
  ErrorCode.InvalidProducerEpoch,
  ErrorCode.InvalidTxnState,
  ErrorCode.InvalidProducerIdMapping,
  ErrorCode.UnknownProducerId,
  ErrorCode.ProducerFenced,
  ErrorCode.TransactionAbortable,
]);
const FINAL: ReadonlySet<number> = new Set([...LOST, ErrorCode.InvalidTransactionTimeout]);
/** Who writes to the topic looks for it, and says that it is missing. */
const OF_TOPIC = ErrorCode.UnknownTopicOrPartition;

export function transactionLost(id: string, problem: string): WeirError {
  return new WeirError(
    "TRANSACTION_LOST",
    `Kafka ended transaction ${id} (${problem}): another worker took over, or it was open for longer than its timeout. ` +
      "Its records do not count; they are written again from the last committed checkpoint",
  );
}

/** `topicOfMarker`: where a marker is kept that is not anywhere yet. */
export function openTransactions(cluster: Cluster, ctx: SinkContext, topicOfMarker: () => string): Transactions {
  const id = transactionalId(ctx.lineage, ctx);
  const own = remote(cluster, ctx, id);
  let producer: ProducerIdentity | undefined;
  /** Stays for all of an epoch: of two markers in one group nobody could tell which counts. */
  let markerTopic = "";
  let included = new Set<string>();
  let ending: Promise<void> | undefined;
  let adding: Promise<unknown> = Promise.resolve();
  let committing: Promise<unknown> = Promise.resolve();
  let committedId: number | undefined;

  const open = (): OpenTransaction => {
    if (producer === undefined) throw new WeirError("INTERNAL", "a sink was written to before it was recovered");
    return { id, producer };
  };
  const add = async (topic: string, partitions: readonly number[]): Promise<ProducerIdentity> => {
    if (ending !== undefined) throw transactionLost(id, "the worker ends");
    const transaction = open();
    const fresh = partitions.filter((p) => !included.has(`${topic}-${p}`));
    if (fresh.length > 0) {
      await own.transaction((c) => addPartitions(c, transaction, { topic, partitions: fresh }));
      for (const partition of fresh) included.add(`${topic}-${partition}`);
    }
    return transaction.producer;
  };
  const claimOwn = async (of: Writing, marked: number | undefined): Promise<number | undefined> => {
    refuseReplaced(await own.lastMarker(), of, ctx);
    const identity = await own.begin();
    const found = await own.marker();
    refuseReplaced(found, of, ctx);
    const n = found === undefined ? (marked ?? null) : found.marker.n;
    markerTopic = found?.topic ?? topicOfMarker();
    await own.commit(identity, markerTopic, { attempt: ctx.attempt, n });
    producer = identity;
    return n ?? undefined;
  };
  const claimEarlier = async (of: Writing, marked: number | undefined): Promise<number | undefined> => {
    const theirs = remote(cluster, ctx, transactionalId(ctx.lineage, of));
    const before = await theirs.lastMarker();
    refuseReplaced(before, of, ctx);
    // Another slot of this epoch has fenced them before it wrote this: nothing can change it any more.
    if (before?.marker.heir === ctx.epoch) return before.marker.n ?? undefined;
    const identity = await theirs.begin();
    const found = (await theirs.marker()) ?? {
      marker: { attempt: 0, n: marked ?? null },
      topic: topicOfMarker(),
    };
    refuseReplaced(found, of, ctx);
    await theirs.commit(identity, found.topic, { ...found.marker, heir: ctx.epoch });
    return found.marker.n ?? undefined;
  };
  return {
    id,
    committed: async (of, marked) => {
      for (let tries = 1; ; tries++) {
        try {
          return await (isOwn(of, ctx) ? claimOwn : claimEarlier)(of, marked);
        } catch (error) {
          if (!isWeirError(error) || error.code !== "TRANSACTION_LOST" || tries === MAX_CLAIMS) throw error;
          await pause(backOff(tries) * Math.random(), ctx.signal);
        }
      }
    },
    include: (topic, partitions) => {
      const result = adding.then(() => add(topic, partitions));
      adding = result.catch(() => undefined);
      return result;
    },
    describe: () => {
      const { producer: identity } = open();
      return {
        transactionalId: id,
        producerId: String(identity.id),
        producerEpoch: identity.epoch,
        topic: markerTopic,
      };
    },
    commit: async (n) => {
      if (committedId === n) return;
      // Behind an abort it would be a transaction with a marker and without the records.
      if (ending !== undefined) throw transactionLost(id, "the worker ends");
      const commit = own.commit(open().producer, markerTopic, { attempt: ctx.attempt, n }).then(() => {
        committedId = n;
        included = new Set();
      });
      committing = commit;
      await commit;
    },
    abort: () => {
      // Amid a commit it would undo the records of which the marker then says that they are there.
      ending ??= Promise.allSettled([adding, committing]).then(async () => {
        if (included.size > 0) await own.transaction((c) => endTransaction(c, open(), "abort"));
      });
      return ending;
    },
  };
}

interface Remote {
  begin(): Promise<ProducerIdentity>;
  /** Commits the transaction with its marker. */
  commit(producer: ProducerIdentity, topic: string, marker: Marker): Promise<void>;
  marker(): Promise<FoundMarker | undefined>;
  /** The same while a transaction may still be open, as a worker that died in its commit leaves one until it is fenced. */
  lastMarker(): Promise<FoundMarker | undefined>;
  transaction(call: (connection: Parameters<typeof endTransaction>[0]) => Promise<number>): Promise<void>;
}

/** One transactional id and its marker, as the brokers have them. */
function remote(cluster: Cluster, ctx: SinkContext, id: string): Remote {
  const transactions = coordinator(cluster, ctx, {
    key: id,
    kind: "transaction",
    final: new Set([...FINAL, OF_TOPIC]),
  });
  const offsets = coordinator(cluster, ctx, { key: id, kind: "group", final: FINAL });
  const timeoutMs = ctx.commitWithinMs + SPARE_MS;
  const via =
    (to: Coordinator): Remote["transaction"] =>
    async (call) => {
      const { error } = await to.ask(async (connection) => ({ error: await call(connection) }));
      if (LOST.has(error)) throw transactionLost(id, errorName(error));
      if (error === OF_TOPIC) throw new Error(`${id}: ${errorName(error)}`);
    };
  const transaction = via(transactions);
  const marker = async (stable: boolean): Promise<FoundMarker | undefined> => {
    const found = await offsets.ask((c) => groupOffsets(c, id, { stable }));
    return findMarker(found.offsets);
  };
  return {
    transaction,
    begin: async () => {
      const { error, producer } = await transactions.ask((c) => initProducerId(c, { id, timeoutMs }));
      if (error === ErrorCode.InvalidTransactionTimeout) throw tooLong(timeoutMs);
      if (error !== ErrorCode.None) throw transactionLost(id, errorName(error));
      return producer;
    },
    commit: async (producer, topic, marker) => {
      const open = { id, producer };
      await transaction((c) => addOffsets(c, open, id));
      const offset = { group: id, topic, partition: 0, offset: marker.n ?? 0, metadata: JSON.stringify(marker) };
      await via(offsets)(async (c) => {
        const error = await commitOffsetIn(c, open, offset);
        if (error === OF_TOPIC) throw new Error(`topic "${topic}", which keeps the marker, does not exist; create it`);
        return error;
      });
      await transaction((c) => endTransaction(c, open, "commit"));
    },
    marker: () => marker(true),
    lastMarker: () => marker(false),
  };
}

function tooLong(timeoutMs: number): WeirError {
  return new WeirError(
    "SINK_REFUSED",
    `Kafka: a transaction may have to stay open for checkpoint.interval + checkpoint.timeout + ${SPARE_MS / 1000} s, ` +
      `${timeoutMs} ms in all, and the brokers' transaction.max.timeout.ms is less: shorten these, or raise that`,
  );
}
