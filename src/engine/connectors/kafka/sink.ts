import { parseDuration } from "../../../api/duration.ts";
import { parseQuantity } from "../../../api/quantity.ts";
import { murmur2, shardOf } from "../../windows/murmur2.ts";
import type { OutRecord, SinkFactory, SinkWriter } from "../connector.ts";
import { openCluster, untilReached } from "./cluster.ts";
import { compressionOf } from "./compression.ts";
import type { KafkaSinkConfig } from "./config.ts";
import { Lane } from "./lane.ts";
import { transactional } from "./transactional.ts";
import { openTransactions } from "./transactions.ts";
import { findLeaders, identify, startProducer, type Producer } from "./producer.ts";

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

/**
 * Writes to one topic, in order per partition; keys go where Kafka's default partitioner sends them. ExactlyOnce writes
 * all that lies between two checkpoints in one transaction.
 */
export const kafkaSink: SinkFactory = {
  open: async (config, context) => {
    const sink = config as KafkaSinkConfig;
    const compression = compressionOf(sink.compression ?? "None");
    const closing = new AbortController();
    const ctx = { ...context, signal: AbortSignal.any([context.signal, closing.signal]) };
    const cluster = openCluster(sink, ctx);
    const exactlyOnce = context.delivery === "ExactlyOnce";
    try {
      const { lanes, producer: identity } = await untilReached(ctx, "SINK_UNREACHABLE", async () => {
        const metadata = await cluster.metadata([sink.topic]);
        const count = metadata.topics.get(sink.topic)?.partitions.length ?? 0;
        const all = Array.from({ length: count }, (_, partition) => new Lane(partition));
        await findLeaders(cluster, sink.topic, all);
        return { lanes: all, producer: exactlyOnce ? undefined : await identify(cluster) };
      });
      const transactions = exactlyOnce ? openTransactions(cluster, ctx, sink.topic) : undefined;
      const batching = batchingOf(sink, lanes.length);
      const hold = holdings(batching.bytes);
      const producer = startProducer({
        cluster,
        ctx,
        topic: sink.topic,
        lanes,
        compression,
        producer: identity,
        transactions,
        hold: hold.take,
        onProgress: hold.progress,
      });
      const seal = (lane: Lane): void => hold.take(lane.seal(compression));
      const plain = writer({ lanes, producer, hold, batching, seal }, () => closing.abort());
      return transactions === undefined ? plain : transactional(plain, { lanes, producer, transactions });
    } catch (error) {
      closing.abort();
      throw error;
    }
  },
};

function batchingOf(sink: KafkaSinkConfig, partitions: number): Batching {
  const { count, bytes, interval } = sink.batching ?? {};
  const share = Math.floor(HELD_BYTES / 2 / Math.max(1, partitions));
  return {
    maxRecords: count ?? Infinity,
    bytes: bytes === undefined ? Math.max(SMALLEST_BATCH, Math.min(LARGEST_BATCH, share)) : parseQuantity(bytes),
    lingerMs: interval === undefined ? LINGER_MS : parseDuration(interval),
  };
}

/** Counts what is held, keeps buffers for reuse, and tells whoever waits that something was acknowledged. */
interface Holdings {
  take(bytes: number): void;
  progress(freed: number, buffers: readonly Buffer[]): void;
  buffer(): Buffer;
  readonly bytes: number;
  onProgress(callback: () => void): void;
}

function holdings(batchBytes: number): Holdings {
  const spare: Buffer[] = [];
  let held = 0;
  let callback = (): void => undefined;
  return {
    take: (bytes) => {
      held += bytes;
    },
    progress: (freed, buffers) => {
      held -= freed;
      for (const buffer of buffers) if (buffer.length === batchBytes && spare.length < 64) spare.push(buffer);
      callback();
    },
    buffer: () => spare.pop() ?? Buffer.allocUnsafeSlow(batchBytes),
    get bytes() {
      return held;
    },
    onProgress: (next) => {
      callback = next;
    },
  };
}

interface WriterParts {
  readonly lanes: readonly Lane[];
  readonly producer: Producer;
  readonly hold: Holdings;
  readonly batching: Batching;
  readonly seal: (lane: Lane) => void;
}

function writer({ lanes, producer, hold, batching, seal }: WriterParts, close: () => void): SinkWriter {
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
  return {
    append: (record) => {
      let lane = laneOf(record);
      if (lane.isFullFor(record, batching.maxRecords)) {
        throwFailure();
        seal(lane);
        producer.pump();
        // Records without a key fill one batch after the other: a batch per partition and moment would be tiny.
        if (lane.partition === sticky) sticky = (sticky + 1) % lanes.length;
        lane = laneOf(record);
      }
      lane.append(record, buffer);
      counters.records++;
      counters.bytes += Math.max(0, record.end - record.start);
      timer ??= setTimeout(linger, batching.lingerMs);
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
}
