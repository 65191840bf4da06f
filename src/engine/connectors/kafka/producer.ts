import { isWeirError, messageOf, WeirError } from "../../../errors.ts";
import type { ConnectorContext } from "../connector.ts";
import type { Compression } from "./batch-writer.ts";
import { initProducerId, type ProducerIdentity } from "./calls.ts";
import { backOff, pause } from "../until-reached.ts";
import { untilReached, type Cluster } from "./cluster.ts";
import { ErrorCode, errorWithRight } from "./error-codes.ts";
import type { Lane } from "./lane.ts";
import { transactionLost, type Transactions } from "./transactions.ts";
import { produceBatches, type ProducedPartition } from "./produce-call.ts";
import { splitBatch } from "./split-batch.ts";

/**
 * Sends sealed batches, idempotently: one request per broker is under way, with at most one batch of each partition; a
 * batch is repeated with its sequence number until the broker has it, and nothing of its partition overtakes it.
 */
export interface Producer {
  /** Sends whatever may be sent now. */
  pump(): void;
  /** What ended it for good. */
  failure(): Error | undefined;
}

export interface ProducerOptions {
  readonly cluster: Cluster;
  readonly ctx: ConnectorContext;
  readonly topic: string;
  readonly lanes: readonly Lane[];
  readonly compression: Compression;
  /** Outside of transactions: its id is its own, and replaced when the broker has forgotten it. */
  readonly producer: ProducerIdentity | undefined;
  /** Every batch belongs to the open transaction. */
  readonly transactions?: Transactions | undefined;
  /** So many more bytes wait. */
  readonly hold: (bytes: number) => void;
  /** Batches of the lane were acknowledged (their bytes and buffer are free), or the producer failed. */
  readonly onProgress: (freed: number, buffers: readonly Buffer[]) => void;
}

const PURPOSE = "produce";
const TIMEOUT_MS = 15_000;

export async function identify(cluster: Cluster): Promise<ProducerIdentity> {
  const { error, producer } = await initProducerId(await cluster.any("control"));
  if (error !== ErrorCode.None)
    throw new Error(`no producer id: ${errorWithRight(error, "IdempotentWrite on the cluster")}`);
  return producer;
}

/**
 * Looks up who leads which partition; a partition without a leader is an error of the call. Gives how many partitions
 * there are: fewer than lanes where the topic was created anew.
 */
export async function findLeaders(cluster: Cluster, topic: string, lanes: readonly Lane[]): Promise<number> {
  const metadata = await cluster.metadata([topic]);
  const { partitions = [] } = metadata.topics.get(topic) ?? {};
  if (partitions.length === 0) throw new Error(`topic "${topic}" has no partitions now`);
  for (const lane of lanes.slice(0, partitions.length)) {
    const address = metadata.brokers.get(partitions[lane.partition]?.leader ?? -1);
    if (address === undefined) throw new Error(`${topic}-${lane.partition} has no leader now`);
    lane.leader = address;
  }
  return partitions.length;
}

export function startProducer(options: ProducerOptions): Producer {
  const { cluster, ctx, topic, lanes, compression, transactions, hold, onProgress } = options;
  const to = { topic, transactionalId: transactions?.id ?? null, timeoutMs: TIMEOUT_MS };
  let producer = options.producer;
  let expired = false;
  let recovering = false;
  let reported = false;
  const underWay = new Set<Promise<void>>();
  let failures = 0;
  let failure: Error | undefined;

  const fail = (error: unknown): void => {
    if (ctx.signal.aborted) return;
    failure ??= error instanceof Error ? error : new Error(String(error));
    onProgress(0, []);
  };
  const pump = (): void => {
    if (recovering || failure !== undefined) return;
    for (const lane of lanes) {
      if (!lane.inFlight && lane.due && lane.queue.length === 0) hold(lane.seal(compression));
    }
    const busy = new Set(lanes.filter((lane) => lane.inFlight).map((lane) => lane.leader));
    const sendable = lanes.filter((lane) => lane.sendable && !busy.has(lane.leader));
    for (const [leader, group] of Map.groupBy(sendable, (lane) => lane.leader)) send(leader, group);
  };
  const send = (leader: string, group: readonly Lane[]): void => {
    for (const lane of group) lane.inFlight = true;
    const request = produceTo(leader, group).finally(() => {
      for (const lane of group) lane.inFlight = false;
      underWay.delete(request);
    });
    underWay.add(request);
    request.then(succeeded, failed);
  };
  const produceTo = async (leader: string, group: readonly Lane[]): Promise<void> => {
    const current =
      (await transactions?.include(
        topic,
        group.map((lane) => lane.partition),
      )) ?? producer;
    if (current === undefined) throw new WeirError("INTERNAL", "a sink was written to before it was recovered");
    producer = current;
    const connection = await cluster.connection(leader, PURPOSE);
    const batches = group.flatMap((lane) => {
      const pending = lane.next(current);
      return pending === undefined ? [] : [{ partition: lane.partition, batch: pending.bytes }];
    });
    const answers = await produceBatches(connection, to, batches).catch((error: unknown) => {
      cluster.drop(leader, PURPOSE);
      throw error;
    });
    const problems = answers.map((answer) => settle(group, answer)).filter((problem) => problem !== undefined);
    if (problems.length > 0) throw new Error(problems.join("; "));
  };
  /** Handles one partition's answer; the text of a problem that a repetition may solve. */
  const settle = (group: readonly Lane[], answer: ProducedPartition): string | undefined => {
    const lane = group.find((l) => l.partition === answer.partition);
    if (lane === undefined) return undefined;

    const said = errorWithRight(answer.error, `Write on topic ${topic}`);
    const problem = `${topic}-${lane.partition}: ${said}${answer.message ? ` (${answer.message})` : ""}`;
    switch (outcomeOf(answer.error)) {
      case "accepted": {
        const done = lane.acknowledge();
        if (done !== undefined) onProgress(done.bytes.length, [done.buffer]);
        return undefined;
      }
      case "too large":
        cut(lane);
        return undefined;
      case "refused":
        throw refused(answer.error === ErrorCode.InvalidTimestamp ? `${problem}. ${OUT_OF_TIME}` : problem);
      case "expired":
        if (transactions !== undefined) throw transactionLost(transactions.id, problem);
        expired = true;
        return problem;
      case "again":
        return problem;
    }
  };
  const cut = (lane: Lane): void => {
    const head = lane.queue[0];
    if (head === undefined) return;
    if (head.records < 2) {
      throw refused(
        `a record of ${head.bytes.length} bytes for topic "${topic}" is larger than its broker takes: ` +
          `raise max.message.bytes of the topic, or filter or shorten such records before the sink`,
      );
    }
    const parts = splitBatch(head, compression);
    if (producer === undefined) return;
    hold(parts.reduce((sum, part) => sum + part.bytes.length, 0) - head.bytes.length);
    lane.replaceHead(parts, producer);
  };
  const succeeded = (): void => {
    failures = 0;
    if (reported) ctx.report(undefined);
    reported = false;
    pump();
  };
  const failed = (error: unknown): void => {
    if (isWeirError(error) && (error.retry === "Terminal" || error.code === "TRANSACTION_LOST")) {
      fail(error);
      return;
    }
    failures++;
    // The first failure is the ordinary way to learn of a new leader.
    if (failures > 1 && !ctx.signal.aborted) {
      reported = true;
      const nextTryAt = ctx.clock.now() + backOff(failures);
      ctx.report({ code: "SINK_UNREACHABLE", message: `Kafka: ${messageOf(error)}`, nextTryAt });
    }
    if (!recovering) recover().catch(fail);
  };
  const recover = async (): Promise<void> => {
    recovering = true;
    await pause(backOff(failures), ctx.signal);
    const found = await untilReached(ctx, "SINK_UNREACHABLE", async () => {
      // Partitions that are added meanwhile may be missing in this answer.
      const before = lanes.length;
      const count = { before, now: await findLeaders(cluster, topic, lanes) };
      if (!expired) return count;
      const identity = await identify(cluster);
      // Batches on their way must not be numbered anew under the socket's hands.
      await Promise.allSettled(underWay);
      renew(identity);
      return count;
    });
    recovering = false;
    if (found.now < found.before) shrunk(found);
    else pump();
  };
  /** Batches for the others can never be sent, and what was sent went with the topic. */
  const shrunk = ({ before, now }: { before: number; now: number }): void => {
    ctx.report(undefined);
    const problem = `topic "${topic}" has ${now} partitions, and had ${before}: it was created anew`;
    fail(new WeirError("SINK_UNREACHABLE", `Kafka: ${problem}. The worker goes on from its last checkpoint`));
  };
  const renew = (identity: ProducerIdentity): void => {
    producer = identity;
    expired = false;
    for (const lane of lanes) lane.restart();
  };
  return { pump, failure: () => failure };
}

/** Brokers from 4.0 on take nothing that is more than an hour ahead of their clock, unless the topic says otherwise. */
const OUT_OF_TIME =
  "A record has its event time as timestamp, a window's result that of the window's end: raise " +
  "message.timestamp.after.max.ms of the topic, or set its message.timestamp.type to LogAppendTime";

type Outcome = "accepted" | "too large" | "refused" | "expired" | "again";

function outcomeOf(code: number): Outcome {
  switch (code) {
    case ErrorCode.None:
    case ErrorCode.DuplicateSequenceNumber:
      return "accepted";
    case ErrorCode.MessageTooLarge:
    case ErrorCode.RecordListTooLarge:
      return "too large";
    case ErrorCode.InvalidTimestamp:
    case ErrorCode.InvalidRecord:
    case ErrorCode.InvalidTopic:
      return "refused";
    case ErrorCode.OutOfOrderSequenceNumber:
    case ErrorCode.UnknownProducerId:
    case ErrorCode.InvalidProducerEpoch:
    case ErrorCode.InvalidTxnState:
    case ErrorCode.InvalidProducerIdMapping:
    case ErrorCode.ProducerFenced:
    case ErrorCode.TransactionAbortable:
      return "expired";
    default:
      return "again";
  }
}

function refused(message: string): WeirError {
  return new WeirError("SINK_REFUSED", `Kafka: ${message}`);
}
