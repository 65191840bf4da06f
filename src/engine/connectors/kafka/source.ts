import type { Batch } from "../../batch.ts";
import { MAX_BATCH_BYTES, MAX_BATCH_RECORDS } from "../../batch.ts";
import { WeirError } from "../../../errors.ts";
import type { AssignedSplit, SourceContext, SourceFactory, SourceReader, Split } from "../connector.ts";
import { EARLIEST, LATEST, listOffsets, type Metadata } from "./calls.ts";
import { openCluster, untilReached, type Cluster } from "./cluster.ts";
import type { KafkaSourceConfig } from "./config.ts";
import { ErrorCode, errorName } from "./error-codes.ts";
import { startFetcher } from "./fetcher.ts";
import { groupProgress } from "./group-progress.ts";
import { drainChunk, startPartition, type Chunk, type Partition, type PartitionStart } from "./partition.ts";
import { recordColumns } from "./record-batch.ts";

/** Reads Kafka topics; a split is a partition. With one topic its index is the partition's number: the shard of its keys. */
export const kafkaSource: SourceFactory = {
  splits: async (config, ctx) => {
    const source = config as KafkaSourceConfig;
    const cluster = openCluster(source, ctx);
    try {
      const metadata = await untilReached(ctx, "SOURCE_UNREACHABLE", () => cluster.metadata(source.topics));
      return splitsOf(source.topics, metadata, ctx);
    } finally {
      cluster.close();
    }
  },
  open: async (config, assigned, ctx) => {
    const source = config as KafkaSourceConfig;
    const cluster = openCluster(source, ctx);
    try {
      const starts = await startOffsets(source, assigned, cluster, ctx);
      return readPartitions(source, starts.map(startPartition), cluster, ctx);
    } catch (error) {
      cluster.close();
      throw error;
    }
  },
};

function splitsOf(topics: readonly string[], metadata: Metadata, ctx: SourceContext): Split[] {
  if (ctx.partitionedBy !== null && topics.length > 1) {
    throw new WeirError(
      "SPEC_NOT_IMPLEMENTED",
      `source "${ctx.node}" says partitionedBy and reads ${topics.length} topics, which is not implemented: a shard would ` +
        `need one watermark for each. Read each topic by a source of its own and join them by a union`,
    );
  }
  const all = topics.flatMap((topic, order) => {
    const count = metadata.topics.get(topic)?.partitions.length ?? 0;
    return Array.from({ length: count }, (_, number) => ({ topic, order, number }));
  });
  return all
    .toSorted((a, b) => a.number - b.number || a.order - b.order)
    .map(({ topic, number }, index) => ({ id: `${topic}-${number}`, index }));
}

function partitionOf({ id }: Split): { topic: string; number: number } {
  const topic = topicOf(id);
  return { topic, number: Number(id.slice(topic.length + 1)) };
}

const topicOf = (id: string): string => id.slice(0, id.lastIndexOf("-"));

/** A saved position: the next offset, and how many partitions the topic had when its keys were dealt. */
interface KafkaPosition {
  readonly offset: number;
  readonly partitions: number;
}

/** The offsets to begin with: from the positions, else looked up, so that a position exists before the first record. */
async function startOffsets(
  source: KafkaSourceConfig,
  assigned: readonly AssignedSplit[],
  cluster: Cluster,
  ctx: SourceContext,
): Promise<PartitionStart[]> {
  const wanted = assigned.map(({ split, position, readBefore }) => ({
    split,
    ...partitionOf(split),
    saved: position as KafkaPosition | undefined,
    added: (readBefore ?? []).some((id) => topicOf(id) === topicOf(split.id)),
  }));
  const unread = wanted.filter((w) => w.saved === undefined);
  const { metadata, found } = await untilReached(ctx, "SOURCE_UNREACHABLE", async () => {
    const current = await cluster.metadata(source.topics);
    return { metadata: current, found: await lookUp(unread, { source, cluster, metadata: current }) };
  });
  return wanted.map(({ split, topic, number, saved }) => {
    const now = metadata.topics.get(topic)?.partitions.length ?? 0;
    if (ctx.partitionedBy !== null && saved !== undefined && saved.partitions !== now) {
      throw new WeirError("RESTORE_REFUSED", `source "${ctx.node}": ${growthMessage(topic, saved.partitions, now)}`);
    }
    return { split, topic, number, siblings: now, offset: saved?.offset ?? found.get(split.id) ?? 0 };
  });
}

type Wanted = readonly {
  readonly split: Split;
  readonly topic: string;
  readonly number: number;
  readonly added: boolean;
}[];

interface Lookup {
  readonly source: KafkaSourceConfig;
  readonly cluster: Cluster;
  readonly metadata: Metadata;
}

async function lookUp(wanted: Wanted, lookup: Lookup): Promise<Map<string, number>> {
  const at = startTime(lookup.source.startFrom ?? "Earliest");
  // A partition that was added to a topic that is being read holds nothing that was meant to be left out.
  const added = await offsetsAt(
    wanted.filter((w) => w.added),
    EARLIEST,
    lookup,
  );
  const first = wanted.filter((w) => !w.added);
  const found = new Map([...added, ...(await offsetsAt(first, at, lookup))]);
  // No record at or after the time: everything that comes from here on is.
  const later = wanted.filter((w) => (found.get(w.split.id) ?? -1) < 0);
  const ends = await offsetsAt(later, LATEST, lookup);
  return new Map([...found, ...ends]);
}

function startTime(startFrom: string): number {
  if (startFrom === "Earliest") return EARLIEST;
  return startFrom === "Latest" ? LATEST : Date.parse(startFrom);
}

async function offsetsAt(wanted: Wanted, at: number, lookup: Lookup): Promise<Map<string, number>> {
  const { source, cluster, metadata } = lookup;
  const leaderOf = (w: Wanted[number]): string => {
    const leader = metadata.topics.get(w.topic)?.partitions[w.number]?.leader ?? -1;
    const address = metadata.brokers.get(leader);
    if (address === undefined) throw new Error(`${w.split.id} has no leader now`);
    return address;
  };
  const found = new Map<string, number>();
  for (const [address, list] of Map.groupBy(wanted, leaderOf)) {
    const asked = list.map((w) => ({ topic: w.topic, partition: w.number, at }));
    const answers = await listOffsets(await cluster.connection(address, "control"), asked, readsCommitted(source));
    for (const answer of answers) {
      const id = `${answer.topic}-${answer.partition}`;
      if (answer.error !== ErrorCode.None) throw new Error(`${id}: ${errorName(answer.error)}`);
      found.set(id, answer.offset);
    }
  }
  return found;
}

function readsCommitted(source: KafkaSourceConfig): boolean {
  return source.isolation !== "ReadUncommitted";
}

const LIMITS = { maxRecords: MAX_BATCH_RECORDS, maxBytes: MAX_BATCH_BYTES };

function readPartitions(
  source: KafkaSourceConfig,
  partitions: readonly Partition[],
  cluster: Cluster,
  ctx: SourceContext,
): SourceReader {
  let wake = (): void => undefined;
  const columns = recordColumns(MAX_BATCH_RECORDS);
  const growth = partitionGrowth(partitions, ctx);
  const fetcher = startFetcher({
    cluster,
    ctx,
    partitions,
    committedOnly: readsCommitted(source),
    onMetadata: growth.look,
    wake: () => wake(),
  });
  const group = source.groupId ?? (ctx.job === undefined ? undefined : `weir.${ctx.job}.${ctx.node}`);
  const progress = group === undefined ? undefined : groupProgress(group, cluster);
  const byId = new Map(partitions.map((p) => [p.split.id, p]));
  /** Chunk of the last batch, when that was its last: its buffer may be reused once the batch is no longer read. */
  let finished: Chunk | undefined;
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
      if (finished !== undefined) fetcher.done(finished);
      finished = undefined;
      const failure = fetcher.failure();
      if (failure !== undefined) throw failure;
      if (growth.stalled()) return undefined;
      for (;;) {
        const chunk = fetcher.chunks[0];
        if (chunk === undefined) return undefined;
        const { n, buf } = drainChunk(chunk, columns, LIMITS);
        if (n === 0) {
          fetcher.chunks.shift();
          fetcher.done(chunk);
          continue;
        }
        batch.n = n;
        batch.buf = buf;
        batch.split = chunk.partition.split.index;
        key.buf = buf;
        from = chunk.partition;
        return batch;
      }
    },
    onReady: (callback) => {
      wake = callback;
    },
    positions: () =>
      new Map(
        partitions.map((p) => [p.split.id, { offset: p.position, partitions: p.siblings } satisfies KafkaPosition]),
      ),
    finished: () => false,
    lag: () => lagOf(partitions),
    idleSplits: () =>
      partitions.filter((p) => p.readableEnd !== undefined && p.position >= p.readableEnd).map((p) => p.split.index),
    checkpointed: async (positions) => {
      const offsets = [...positions].flatMap(([id, position]) => {
        const p = byId.get(id);
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

function lagOf(partitions: readonly Partition[]): { records: number; oldestTimestamp?: number } | undefined {
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

/**
 * Watches for partitions added while the job runs. With `partitionedBy` a new one takes over keys whose state lies in
 * another shard: going on would split their aggregates, so reading stalls with the reason.
 */
function partitionGrowth(
  partitions: readonly Partition[],
  ctx: SourceContext,
): { look: (metadata: Metadata) => void; stalled: () => boolean } {
  let stalled = false;
  return {
    look: (metadata) => {
      for (const p of new Map(partitions.map((x) => [x.topic, x])).values()) {
        const now = metadata.topics.get(p.topic)?.partitions.length ?? 0;
        if (now === p.siblings) continue;
        stalled = ctx.partitionedBy !== null;
        const message = stalled
          ? `reading stalls: ${growthMessage(p.topic, p.siblings, now)}`
          : `topic "${p.topic}" has ${now} partitions now, ${p.siblings} at the start: the new ones are read after the next restart`;
        ctx.report({ code: "SOURCE_UNREACHABLE", message, nextTryAt: ctx.clock.now() });
      }
    },
    stalled: () => stalled,
  };
}

function growthMessage(topic: string, before: number, now: number): string {
  return (
    `topic "${topic}" had ${before} partitions and has ${now} now, so its keys have moved to other partitions than ` +
    `their state. Start the job without state, or from a new topic`
  );
}
