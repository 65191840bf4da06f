import { parseDuration } from "../../../api/duration.ts";
import { parseQuantity } from "../../../api/quantity.ts";
import { murmur2, shardOf } from "../../windows/murmur2.ts";
import type { OutRecord, SinkContext, SinkWriter } from "../connector.ts";
import { addedLanes } from "./added-lanes.ts";
import { withHeaderBytes } from "./headers.ts";
import { openCluster, REFRESH_MS, untilReached, type Cluster } from "./cluster.ts";
import { compressionOf } from "./compression.ts";
import type { KafkaSinkConfig } from "./config.ts";
import { holdings, type Holdings } from "./holdings.ts";
import { Lane } from "./lane.ts";
import { findLeaders, identify, startProducer, type Producer } from "./producer.ts";
import { joinTransactions } from "./shared-transactions.ts";
import { transactional } from "./transactional.ts";

/** What a writer may hold before the runtime must stop reading. */
const HELD_BYTES = 8 * 1024 * 1024;
const LINGER_MS = 10;
const LARGEST_BATCH = 256 * 1024;
const SMALLEST_BATCH = 16 * 1024;

interface Batching {
  readonly maxRecords: number;
  readonly bytes: number;
  readonly lingerMs: number;
}

/** One topic, written to in order per partition; ExactlyOnce: in the transactions of its slot. */
export interface TopicWriter {
  /** Keys go where Kafka's default partitioner sends them. */
  readonly sink: SinkWriter;
  /** As `sink.append`, into this partition, whatever the key. */
  appendTo(partition: number, record: OutRecord): void;
}

export interface TopicWriterOptions {
  readonly config: KafkaSinkConfig;
  readonly context: SinkContext;
  /** Of Weir's own topics: sees to it that it is there. Nobody else may change these. */
  readonly create?: (cluster: Cluster) => Promise<void>;
  /** How often it looks for partitions that were added. */
  readonly refreshMs?: number;
}

export async function openTopicWriter(options: TopicWriterOptions): Promise<TopicWriter> {
  const { config, context, create, refreshMs = REFRESH_MS } = options;
  const { topic } = config;
  const compression = compressionOf(config.compression ?? "None");
  const closing = new AbortController();
  const ctx = { ...context, signal: AbortSignal.any([context.signal, closing.signal]) };
  const cluster = openCluster(config, ctx);
  const exactlyOnce = context.delivery === "ExactlyOnce";
  try {
    const { lanes, producer: identity } = await untilReached(ctx, "SINK_UNREACHABLE", async () => {
      await create?.(cluster);
      const metadata = await cluster.metadata([topic]);
      const count = metadata.topics.get(topic)?.partitions.length ?? 0;
      const all = Array.from({ length: count }, (_, partition) => new Lane(partition));
      await findLeaders(cluster, topic, all);
      return { lanes: all, producer: exactlyOnce ? undefined : await identify(cluster) };
    });
    const place = { topic, internal: create !== undefined };
    const transactions = exactlyOnce ? joinTransactions(config, context, place) : undefined;
    const batching = batchingOf(config, lanes.length);
    const hold = holdings(batching.bytes);
    const producer = startProducer({
      cluster,
      ctx,
      topic,
      lanes,
      compression,
      producer: identity,
      transactions,
      hold: hold.take,
      onProgress: hold.progress,
    });
    const seal = (lane: Lane): void => hold.take(lane.seal(compression));
    const added =
      create === undefined ? addedLanes({ cluster, topic, lanes, refreshMs, signal: ctx.signal }) : undefined;
    const grow = (): void => {
      // From a barrier to its commit they wait like the others.
      const limit = lanes.some((lane) => lane.limit !== Infinity) ? 0 : Infinity;
      for (const lane of added?.take() ?? []) lanes.push(Object.assign(lane, { limit }));
    };
    const plain = writer({ lanes, producer, hold, batching, seal, grow }, () => closing.abort());
    if (transactions === undefined) return plain;
    return { ...plain, sink: transactional(plain.sink, { lanes, producer, transactions }) };
  } catch (error) {
    closing.abort();
    throw error;
  }
}

function batchingOf(sink: KafkaSinkConfig, partitions: number): Batching {
  const { count, bytes, interval } = sink.batching ?? {};
  const share = Math.floor(HELD_BYTES / 2 / Math.max(1, partitions));
  return {
    maxRecords: count ?? Infinity,
    bytes: bytes === undefined ? Math.max(SMALLEST_BATCH, Math.min(LARGEST_BATCH, share)) : parseQuantity(bytes),
    lingerMs: interval === undefined ? LINGER_MS : parseDuration(interval),
  };
}

interface WriterParts {
  readonly lanes: readonly Lane[];
  readonly producer: Producer;
  readonly hold: Holdings;
  readonly batching: Batching;
  readonly seal: (lane: Lane) => void;
  /** Takes on lanes of partitions that were added. */
  readonly grow: () => void;
}

function writer({ lanes, producer, hold, batching, seal, grow }: WriterParts, close: () => void): TopicWriter {
  let drained = (): void => undefined;
  let wasSaturated = false;
  let timer: NodeJS.Timeout | undefined;
  let sticky = 0;
  let flushes: { targets: number[]; resolve(): void; reject(error: Error): void }[] = [];
  const counters = { records: 0, bytes: 0 };
  const buffer = (): Buffer => hold.buffer();

  hold.onProgress(() => {
    const failure = producer.failure();
    flushes = flushes.filter((flush) => {
      if (failure !== undefined) flush.reject(failure);
      else if (lanes.every((lane, i) => lane.acknowledged >= (flush.targets[i] ?? 0))) flush.resolve();
      else return true;
      return false;
    });
    if (wasSaturated && (failure !== undefined || hold.bytes < HELD_BYTES / 2)) {
      wasSaturated = false;
      drained();
    }
  });
  const laneOf = (record: OutRecord): Lane => {
    const { key, keyStart, keyEnd } = record;
    const partition = key === undefined || keyEnd < 0 ? sticky : shardOf(murmur2(key, keyStart, keyEnd), lanes.length);
    return lanes[partition] as Lane;
  };
  const linger = (): void => {
    timer = undefined;
    for (const lane of lanes) lane.due = lane.hasOpen;
    producer.pump();
  };
  const throwFailure = (): void => {
    const failure = producer.failure();
    if (failure !== undefined) throw failure;
  };
  const makeRoom = (lane: Lane, record: OutRecord): boolean => {
    if (!lane.isFullFor(record, batching.maxRecords)) return false;
    throwFailure();
    seal(lane);
    producer.pump();
    return true;
  };
  const put = (lane: Lane, record: OutRecord): void => {
    lane.append(record, buffer);
    counters.records++;
    counters.bytes += Math.max(0, record.end - record.start);
    timer ??= setTimeout(linger, batching.lingerMs);
  };
  const sink: SinkWriter = {
    append: (given) => {
      const record = withHeaderBytes(given);
      let lane = laneOf(record);
      if (makeRoom(lane, record) && lane.partition === sticky) {
        // Records without a key fill one batch after the other: a batch per partition and moment would be tiny.
        sticky = (sticky + 1) % lanes.length;
        lane = laneOf(record);
      }
      put(lane, record);
    },
    saturated: () => {
      wasSaturated = hold.bytes >= HELD_BYTES && producer.failure() === undefined;
      return wasSaturated;
    },
    onDrain: (wake) => {
      drained = wake;
    },
    flush: () => {
      const failure = producer.failure();
      if (failure !== undefined) return Promise.reject(failure);
      for (const lane of lanes) seal(lane);
      const targets = lanes.map((lane) => lane.sealed);
      // At a barrier: a key's records go to another partition between two checkpoints, and between two transactions.
      grow();
      if (lanes.every((lane, i) => lane.acknowledged >= (targets[i] ?? 0))) return Promise.resolve();
      return new Promise<void>((resolve, reject) => {
        flushes.push({ targets, resolve, reject });
        producer.pump();
      });
    },
    counters: () => counters,
    close: () => {
      clearTimeout(timer);
      close();
      const error = new Error("the sink was closed before everything was written");
      for (const flush of flushes.splice(0)) flush.reject(error);
      return Promise.resolve();
    },
  };
  return {
    sink,
    appendTo: (partition, record) => {
      const lane = lanes[partition] as Lane;
      makeRoom(lane, record);
      put(lane, record);
    },
  };
}
