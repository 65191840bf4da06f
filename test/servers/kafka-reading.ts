/**
 * What a topic holds, read fetch by fetch with another library than the product's. That library's own filter of committed
 * reading drops what a producer has committed between two transactions that were aborted, so everything is fetched, and the markers
 * of the transactions (KIP-98) decide here what counts.
 */
import { Consumer, type RecordsBatch } from "@platformatic/kafka";

export interface ConsumedRecord {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  readonly timestamp: number;
  readonly key: string | null;
  /** Empty for a tombstone. */
  readonly value: string;
  readonly tombstone?: true;
  /** In their order; absent where there are none. */
  readonly headers?: readonly (readonly [name: string, value: string])[];
}

export type Isolation = "committed" | "uncommitted";

type Client = Consumer<Buffer, Buffer, Buffer, Buffer>;
type FetchedPartition = Awaited<ReturnType<Client["fetch"]>>["responses"][number]["partitions"][number];

const TRANSACTIONAL = 0x10;
const CONTROL = 0x20;
const LOG_APPEND_TIME = 0x08;
/** Of a control record. */
const COMMIT = 1;

export async function consumeAll(
  brokers: readonly string[],
  topic: string,
  isolation: Isolation,
): Promise<ConsumedRecord[]> {
  const found: ConsumedRecord[] = [];
  await consumeEach(brokers, topic, isolation, (record) => found.push(record));
  return found;
}

export async function consumeEach(
  brokers: readonly string[],
  topic: string,
  isolation: Isolation,
  each: (record: ConsumedRecord) => void,
): Promise<void> {
  await withConsumer(brokers, async (consumer) => {
    const [starts, ends] = await Promise.all([
      offsets(consumer, topic, -2n, isolation),
      offsets(consumer, topic, -1n, isolation),
    ]);
    for (const [partition, end] of ends.entries()) {
      const from = starts[partition] ?? 0n;
      for await (const record of readPartition(consumer, { topic, partition, from, end, isolation })) each(record);
    }
  });
}

/** Offset behind the last record of each partition; transaction markers count. */
export function endOffsets(brokers: readonly string[], topic: string): Promise<number[]> {
  return withConsumer(brokers, async (consumer) => (await offsets(consumer, topic, -1n, "uncommitted")).map(Number));
}

/** Offset of the first record that each partition still has. */
export function beginOffsets(brokers: readonly string[], topic: string): Promise<number[]> {
  return withConsumer(brokers, async (consumer) => (await offsets(consumer, topic, -2n, "uncommitted")).map(Number));
}

async function withConsumer<T>(brokers: readonly string[], work: (consumer: Client) => Promise<T>): Promise<T> {
  const consumer: Client = new Consumer({
    clientId: "weir-test",
    groupId: "weir-test",
    bootstrapBrokers: [...brokers],
    retries: 300,
    retryDelay: 200,
  });
  try {
    return await work(consumer);
  } finally {
    await consumer.close(true);
  }
}

async function offsets(consumer: Client, topic: string, timestamp: bigint, isolation: Isolation): Promise<bigint[]> {
  const found = await consumer.listOffsets({ topics: [topic], timestamp, isolationLevel: isolationLevel(isolation) });
  return found.get(topic) ?? [];
}

interface Range {
  readonly topic: string;
  readonly partition: number;
  readonly from: bigint;
  readonly end: bigint;
  readonly isolation: Isolation;
}

async function* readPartition(consumer: Client, range: Range): AsyncGenerator<ConsumedRecord> {
  const waiting: Waiting[] = [];
  for (let next = range.from; next < range.end;) {
    const batches = (await fetchOnce(consumer, range, next)).records ?? [];
    const last = batches.at(-1);
    if (last === undefined) throw new Error(`${range.topic}[${range.partition}] ends at ${next}, before ${range.end}`);
    for (const batch of batches) take(waiting, batch, range.isolation);
    while (waiting[0]?.counts !== undefined) {
      const { batch, counts } = waiting.shift() as Waiting;
      if (counts) yield* recordsOf(batch, range, range.from);
    }
    next = endOf(last);
  }
  for (const { batch, counts } of waiting) if (counts === true) yield* recordsOf(batch, range, range.from);
}

interface Waiting {
  readonly batch: RecordsBatch;
  /** Unknown until the marker of its transaction was read. */
  counts: boolean | undefined;
}

function take(waiting: Waiting[], batch: RecordsBatch, isolation: Isolation): void {
  if ((batch.attributes & CONTROL) === 0) {
    const isDecided = isolation === "uncommitted" || (batch.attributes & TRANSACTIONAL) === 0;
    waiting.push({ batch, counts: isDecided ? true : undefined });
    return;
  }
  const isCommit = batch.records[0]?.key?.readInt16BE(2) === COMMIT;
  for (const open of waiting)
    if (open.counts === undefined && open.batch.producerId === batch.producerId) open.counts = isCommit;
}

const endOf = (batch: RecordsBatch): bigint => batch.firstOffset + BigInt(batch.lastOffsetDelta) + 1n;

async function fetchOnce(consumer: Client, range: Range, offset: bigint): Promise<FetchedPartition> {
  const { topic, partition } = range;
  const metadata = await consumer.metadata({ topics: [topic] });
  const found = metadata.topics.get(topic);
  const leader = found?.partitions[partition];
  if (found === undefined || leader === undefined) throw new Error(`${topic}[${partition}] has no leader`);
  const answer = await consumer.fetch({
    node: leader.leader,
    maxWaitTime: 1000,
    isolationLevel: isolationLevel("uncommitted"),
    topics: [
      {
        topicId: found.id,
        partitions: [
          {
            partition,
            fetchOffset: offset,
            partitionMaxBytes: 8 * 1024 * 1024,
            currentLeaderEpoch: -1,
            lastFetchedEpoch: -1,
          },
        ],
      },
    ],
  });
  const only = answer.responses[0]?.partitions[0];
  if (only === undefined) throw new Error(`no answer for ${topic}[${partition}]`);
  return only;
}

function* recordsOf(batch: RecordsBatch, range: Range, from: bigint): Generator<ConsumedRecord> {
  for (const record of batch.records) {
    const offset = batch.firstOffset + BigInt(record.offsetDelta);
    if (offset < from || offset >= range.end) continue;
    const created = batch.firstTimestamp + record.timestampDelta;
    yield {
      topic: range.topic,
      partition: range.partition,
      offset: Number(offset),
      timestamp: Number((batch.attributes & LOG_APPEND_TIME) === 0 ? created : batch.maxTimestamp),
      key: record.key?.toString() ?? null,
      value: record.value?.toString() ?? "",
      ...(record.value === null || record.value === undefined ? { tombstone: true as const } : {}),
      ...headersOf(record.headers),
    };
  }
}

function headersOf(headers: RecordsBatch["records"][number]["headers"]): Pick<ConsumedRecord, "headers"> {
  const all = [...headers].map(([name, value]) => [name?.toString() ?? "", value?.toString() ?? ""] as const);
  return all.length === 0 ? {} : { headers: all };
}

function isolationLevel(isolation: Isolation): number {
  return isolation === "committed" ? 1 : 0;
}
