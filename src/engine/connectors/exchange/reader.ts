import type { Batch } from "../../batch.ts";
import { MAX_BATCH_BYTES, MAX_BATCH_RECORDS } from "../../batch.ts";
import { WeirError } from "../../../errors.ts";
import type { Position, SourceContext, SourceReader } from "../connector.ts";
import type { Cluster } from "../kafka/cluster.ts";
import { startFetcher } from "../kafka/fetcher.ts";
import type { Lost } from "../kafka/offset-reset.ts";
import { drainChunk, startPartition, type Partition, type PartitionStart } from "../kafka/partition.ts";
import { lagOf } from "../kafka/reader.ts";
import { BatchDecoder } from "../kafka/batch-decoder.ts";
import { recordColumns } from "../kafka/record-batch.ts";
import type { ExchangeConfig } from "./config.ts";
import { decodeMarker, eventTimeAt, HEADER, kindOf } from "./envelope.ts";
import type { ExchangePosition } from "./position.ts";
import { idleTogether, type Upstream } from "./upstream.ts";

const LIMITS = { maxRecords: MAX_BATCH_RECORDS, maxBytes: MAX_BATCH_BYTES };
const REFRESH_MS = 30_000;

export interface ExchangeStart {
  readonly partition: PartitionStart;
  readonly upstream: Upstream;
}

interface ReaderOptions {
  readonly exchange: ExchangeConfig;
  readonly starts: readonly ExchangeStart[];
  readonly cluster: Cluster;
  readonly ctx: SourceContext;
  readonly checkpointed: NonNullable<SourceReader["checkpointed"]>;
}

export function readExchange({ exchange, starts, cluster, ctx, checkpointed }: ReaderOptions): SourceReader {
  let wake = (): void => undefined;
  const partitions = starts.map((start) => startPartition(start.partition));
  const upstreams = new Map(partitions.map((p, i) => [p, (starts[i] as ExchangeStart).upstream]));
  const fetcher = startFetcher({
    cluster,
    ctx,
    topics: [exchange.topic],
    partitions,
    committedOnly: exchange.committed,
    onMetadata: () => undefined,
    outOfRange: (lost) => Promise.reject(gone(lost)),
    refreshMs: REFRESH_MS,
    wake: () => wake(),
  });
  const decoder = new BatchDecoder();
  const read = decoder.columns;
  const given = recordColumns(MAX_BATCH_RECORDS);
  /** What was read and not handed out yet: records `next` to `n` of one partition. */
  let next = 0;
  let n = 0;
  let from: Partition | undefined;
  const key = { buf: Buffer.alloc(0) as Buffer, off: given.keyOff, len: given.keyLen };
  const batch: Batch = {
    split: 0,
    n: 0,
    buf: key.buf,
    off: given.off,
    len: given.len,
    ts: given.ts,
    key,
    describe: (i) => `${from?.topic}[${from?.number}]@${given.offset[i]}`,
  };

  const take = (i: number, kind: "record" | "tombstone"): void => {
    const at = read.off[i] as number;
    const to = batch.n++;
    given.off[to] = at + HEADER;
    given.len[to] = kind === "tombstone" ? -1 : (read.len[i] as number) - HEADER;
    given.keyOff[to] = read.keyOff[i] as number;
    given.keyLen[to] = read.keyLen[i] as number;
    given.ts[to] = eventTimeAt(batch.buf, at);
    given.offset[to] = read.offset[i] as number;
  };
  /** Up to a barrier, or the end of what was read. */
  const handOut = (partition: Partition, upstream: Upstream): Batch => {
    batch.n = 0;
    batch.split = partition.split.index;
    for (let open = true; open && next < n; next++) {
      const at = read.off[next] as number;
      const length = read.len[next] as number;
      const kind = kindOf(batch.buf, at, length);
      if (kind === "marker") {
        const marker = decodeMarker(batch.buf, at, length);
        upstream.hear(marker);
        open = marker.barrier === undefined;
      } else take(next, kind);
    }
    return batch;
  };
  /** Decodes the next piece of what was fetched; false where there is none. */
  const readOn = (): boolean => {
    for (let chunk = fetcher.chunks[0]; chunk !== undefined; chunk = fetcher.chunks[0]) {
      const drained = drainChunk(chunk, decoder, LIMITS);
      if (drained > 0) {
        next = 0;
        n = drained;
        from = chunk.partition;
        batch.buf = key.buf = decoder.buf;
        return true;
      }
      fetcher.done();
    }
    return false;
  };
  const positionOf = (p: Partition): ExchangePosition => ({
    offset: p === from && next < n ? (read.offset[next] as number) : p.position,
    upstream: (upstreams.get(p) as Upstream).save(),
    ...(p.topicId === undefined ? {} : { topicId: p.topicId }),
  });
  const those = (which: (upstream: Upstream) => boolean): number[] =>
    [...upstreams].filter(([, upstream]) => which(upstream)).map(([p]) => p.split.index);

  return {
    poll: () => {
      const failure = fetcher.failure();
      if (failure !== undefined) throw failure;
      if (next >= n && !readOn()) return undefined;
      return from === undefined ? undefined : handOut(from, upstreams.get(from) as Upstream);
    },
    onReady: (callback) => {
      wake = callback;
    },
    positions: () => new Map(partitions.map((p): [string, Position] => [p.split.id, { ...positionOf(p) }])),
    watermarks: () => new Map([...upstreams].map(([p, upstream]) => [p.split.index, upstream.watermark])),
    passed: (id) => [...upstreams.values()].every((upstream) => upstream.passed(id)),
    finished: () => next >= n && [...upstreams.values()].every((upstream) => upstream.ended),
    finishedSplits: () => those((upstream) => upstream.ended),
    idleSplits: () => (idleTogether(upstreams.values()) ? those((upstream) => upstream.idle) : []),
    lag: () => lagOf(partitions),
    checkpointed,
    close: () => {
      fetcher.close();
      cluster.close();
      return Promise.resolve();
    },
  };
}

function gone(lost: readonly Lost[]): WeirError {
  const which = lost.map(({ partition: p }) => `offset ${p.fetchOffset} in ${p.topic}[${p.number}]`).join(", ");
  return new WeirError(
    "OFFSET_OUT_OF_RANGE",
    `Kafka has no ${which} any more, which the job's own workers wrote and have not read: somebody deleted the topic or ` +
      `records of it; start the job from a savepoint`,
  );
}
