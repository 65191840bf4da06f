import type { Batch } from "../../batch.ts";
import { MAX_BATCH_BYTES, MAX_BATCH_RECORDS } from "../../batch.ts";
import type { SourceContext, SourceReader, Split } from "../connector.ts";
import type { Cluster } from "./cluster.ts";
import { BatchDecoder } from "./batch-decoder.ts";
import type { KafkaSourceConfig } from "./config.ts";
import { startFetcher } from "./fetcher.ts";
import { groupProgress } from "./group-progress.ts";
import { partitionGrowth } from "./growth.ts";
import { resetPolicy } from "./offset-reset.ts";
import { drainChunk, startPartition, type Partition, type PartitionStart } from "./partition.ts";
import { metadataReader } from "./read-metadata.ts";
import { firstPositions, readsCommitted, type KafkaPosition } from "./start-offsets.ts";

const LIMITS = { maxRecords: MAX_BATCH_RECORDS, maxBytes: MAX_BATCH_BYTES };

export interface ReaderOptions {
  readonly source: KafkaSourceConfig;
  readonly starts: readonly PartitionStart[];
  readonly cluster: Cluster;
  readonly ctx: SourceContext;
  /** How often it looks for new leaders and partitions without a reason. */
  readonly refreshMs: number;
}

export function readPartitions({ source, starts, cluster, ctx, refreshMs }: ReaderOptions): SourceReader {
  let wake = (): void => undefined;
  const decoder = new BatchDecoder();
  const { columns } = decoder;
  const metadata = source.metadata === undefined ? undefined : metadataReader(source.metadata, columns);
  const partitions = starts.map(startPartition);
  const added: Split[] = [];
  const growth = partitionGrowth({
    topics: source.topics,
    partitions,
    ctx,
    takeOn: async (splits, found) => {
      const more = await firstPositions(splits, { source, cluster, metadata: found });
      partitions.push(...more.map(startPartition));
      added.push(...splits);
      fetcher.look();
    },
  });
  const fetcher = startFetcher({
    cluster,
    ctx,
    topics: source.topics,
    partitions,
    committedOnly: readsCommitted(source),
    onMetadata: growth.look,
    outOfRange: resetPolicy({ source, cluster, ctx }),
    refreshMs,
    wake: () => wake(),
  });
  const group = source.groupId ?? (ctx.job === undefined ? undefined : `weir.${ctx.job}.${ctx.node}`);
  const progress = group === undefined ? undefined : groupProgress(group, cluster);
  let from: Partition | undefined;
  const batch: Batch = {
    split: 0,
    n: 0,
    buf: Buffer.alloc(0),
    off: columns.off,
    len: columns.len,
    ts: columns.ts,
    key: undefined,
    describe: (i) => `${from?.topic}[${from?.number}]@${columns.offset[i]}`,
  };
  const key = { buf: batch.buf, off: columns.keyOff, len: columns.keyLen };
  batch.key = key;

  return {
    poll: () => {
      const failure = fetcher.failure();
      if (failure !== undefined) throw failure;
      if (growth.stalled()) return undefined;
      for (;;) {
        const chunk = fetcher.chunks[0];
        if (chunk === undefined) return undefined;
        const n = drainChunk(chunk, decoder, LIMITS);
        if (n === 0) {
          fetcher.done();
          continue;
        }
        batch.n = n;
        batch.buf = key.buf = decoder.buf;
        batch.split = chunk.partition.split.index;
        from = chunk.partition;
        metadata?.addTo(batch, from);
        return batch;
      }
    },
    onReady: (callback) => {
      wake = callback;
    },
    positions: () =>
      new Map(
        partitions.map(({ split, position, siblings, topicId }) => {
          const at: KafkaPosition = { offset: position, partitions: siblings, ...(topicId && { topicId }) };
          return [split.id, { ...at }];
        }),
      ),
    added: () => added,
    finished: () => false,
    lag: () => lagOf(partitions),
    idleSplits: () =>
      partitions.filter((p) => p.readableEnd !== undefined && p.position >= p.readableEnd).map((p) => p.split.index),
    checkpointed: async (positions) => {
      const offsets = [...positions].flatMap(([id, position]) => {
        const p = partitions.find((x) => x.split.id === id);
        return p === undefined ? [] : [{ topic: p.topic, partition: p.number, offset: Number(position["offset"]) }];
      });
      await progress?.commit(offsets);
    },
    close: () => {
      fetcher.close();
      cluster.close();
      return Promise.resolve();
    },
  };
}

export function lagOf(partitions: readonly Partition[]): { records: number; oldestTimestamp?: number } | undefined {
  let records = 0;
  let oldest: number | undefined;
  for (const p of partitions) {
    if (p.readableEnd === undefined) return undefined;
    const behind = Math.max(0, p.readableEnd - p.position);
    records += behind;
    if (behind > 0 && p.lastTimestamp !== undefined) oldest = Math.min(oldest ?? Infinity, p.lastTimestamp);
  }
  return oldest === undefined ? { records } : { records, oldestTimestamp: oldest };
}
