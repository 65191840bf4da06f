import type { SourceContext } from "../connector.ts";
import { isWeirError, messageOf } from "../../../errors.ts";
import type { Metadata } from "./metadata-call.ts";
import { abortedTransactions } from "./aborted.ts";
import { backOff, pause } from "../until-reached.ts";
import { untilReached, type Cluster } from "./cluster.ts";
import { ErrorCode, errorWithRight } from "./error-codes.ts";
import { fetchRecords, type FetchedPartition, type FetchResponse, type FetchSettings } from "./fetch-call.ts";
import type { Frame } from "./frames.ts";
import type { OutOfRange } from "./offset-reset.ts";
import { chunkOf, endOfChunk, jumpTo, type Chunk, type Partition } from "./partition.ts";
import { topicId } from "./splits.ts";

/** Keeps answers of all leaders ahead of the reader: a bounded number, whatever the network does. */
export interface Fetcher {
  /** Chunks in order of arrival; the reader takes from the front. */
  readonly chunks: Chunk[];
  /**
   * The reader is done with the front; valid only after its last batch is no longer used. Where it is damaged, what is
   * behind its partition's position is asked for again.
   */
  done(): void;
  /** Looks for leaders and partitions now. */
  look(): void;
  /** What ended the fetcher for good. */
  failure(): Error | undefined;
  close(): void;
}

export interface FetcherOptions {
  readonly cluster: Cluster;
  readonly ctx: SourceContext;
  readonly topics: readonly string[];
  /** May grow; `look` begins to read what is new. */
  readonly partitions: readonly Partition[];
  readonly committedOnly: boolean;
  /** Looks at every metadata answer, for example for added partitions. */
  readonly onMetadata: (metadata: Metadata) => void;
  readonly outOfRange: OutOfRange;
  readonly refreshMs: number;
  readonly wake: () => void;
}

const PURPOSE = "fetch";
/** Answers per broker that wait to be read or are being asked for: one is read while the next is on its way. */
const AHEAD = 2;
const FETCH: Omit<FetchSettings, "committedOnly"> = {
  maxWaitMs: 500,
  maxBytes: 4 * 1024 * 1024,
  maxBytesPerPartition: 1024 * 1024,
};
/** While one partition is in trouble and others of its broker are not, its leader is looked up so often. */
const TROUBLE_MS = 1_000;

export function startFetcher(options: FetcherOptions): Fetcher {
  const { cluster, topics, partitions, wake } = options;
  const ending = new AbortController();
  const signal = AbortSignal.any([options.ctx.signal, ending.signal]);
  const ctx: SourceContext = { ...options.ctx, signal };
  const chunks: Chunk[] = [];
  /** Unread chunks of an answer; its buffer goes back when none is left. */
  const unread = new Map<Frame, { left: number; readonly address: string }>();
  const waitingAt = new Map<string, number>();
  const room = turnstile();
  const stale = turnstile();
  /** A broker fills an answer in the order asked: whoever was served last goes to the back. */
  const served = new Map<Partition, number>();
  let turn = 0;
  /** Their next offset is not there any more, or belongs to a topic that is gone: then with the id of the new one. */
  const lost = new Map<Partition, { readonly anew?: string }>();
  /** Partitions of which damaged records were read, and no others since. */
  const damaged = new Set<Partition>();
  /** Of leaders, until they are followed anew. */
  const damages = new Map<string, Error>();
  /** Ids of topics that were deleted. */
  const gone = new Set<string>();
  let lookedAt = 0;
  let failures = 0;
  let reported = false;
  let failure: Error | undefined;

  const fail = (error: unknown): void => {
    if (signal.aborted) return;
    failure = error instanceof Error ? error : new Error(String(error));
    ending.abort();
    wake();
  };
  const findLeaders = async (): Promise<void> => {
    const metadata = await cluster.metadata(topics);
    options.onMetadata(metadata);
    for (const p of partitions) {
      const found = metadata.topics.get(p.topic)?.partitions[p.number];
      const address = found === undefined ? undefined : metadata.brokers.get(found.leader);
      if (found === undefined || address === undefined) throw new Error(`${p.split.id} has no leader now`);
      p.leader = address;
      p.leaderEpoch = found.leaderEpoch;
      recognize(p, topicId(metadata, p.topic));
    }
    await resetLost();
    await Promise.all(leadersOf(partitions).map((leader) => cluster.connection(leader, PURPOSE)));
  };
  /** A topic that was deleted and created anew has the old one's name, and other records under its offsets. */
  const recognize = (p: Partition, id: string | undefined): void => {
    if (id === undefined || id === p.fetchTopicId) return;
    if (gone.has(id)) throw new Error(`${p.topic} was created anew, which a broker does not know yet`);
    if (p.fetchTopicId === undefined) p.fetchTopicId = id;
    else lost.set(p, { anew: id });
  };
  const resetLost = async (): Promise<void> => {
    if (lost.size === 0) return;
    // Meanwhile other leaders' answers may tell of more.
    const now = [...lost];
    const next = await options.outOfRange(now.map(([partition, { anew }]) => ({ partition, anew })));
    for (const [p, { anew }] of now) {
      if (anew !== undefined) {
        gone.add(p.fetchTopicId ?? "");
        p.fetchTopicId = anew;
      }
      p.fetchOffset = next.get(p.split.id) ?? 0;
      p.readableEnd = undefined;
      chunks.push(jumpTo(p));
      lost.delete(p);
    }
    wake();
  };
  const keep = (p: Partition, fetched: FetchedPartition, { frame }: FetchResponse): number => {
    const next = endOfChunk(frame, fetched);
    p.readableEnd = fetched.readableEnd;
    if (fetched.from === fetched.to) return 0;
    chunks.push(chunkOf(p, frame, fetched));
    p.fetchOffset = next ?? p.fetchOffset;
    served.set(p, ++turn);
    return 1;
  };
  /** Damaged batches that wait to be read may say that they end anywhere. */
  const isCertain = (p: Partition): boolean =>
    p.fetchOffset === p.position || !chunks.some((chunk) => chunk.partition === p);
  const accept = (response: FetchResponse, asked: readonly Partition[], offsets: readonly number[]): number => {
    const problems: string[] = [];
    let kept = 0;
    for (const fetched of response.partitions) {
      const i = asked.findIndex((x) => x.topic === fetched.topic && x.number === fetched.partition);
      const p = asked[i];
      // Between two leaders the same offset may have been asked for twice: the second answer is void.
      if (p === undefined || p.fetchOffset !== offsets[i] || lost.has(p)) continue;
      if (fetched.error === ErrorCode.None) kept += keep(p, fetched, response);
      else problems.push(`${p.split.id}: ${errorWithRight(fetched.error, `Read on topic ${p.topic}`)}`);
      if (fetched.error === ErrorCode.OffsetOutOfRange && isCertain(p)) lost.set(p, {});
    }
    if (problems.length === 0) return kept;
    if (kept === 0) throw new Error(problems.join("; "));
    if (ctx.clock.now() - lookedAt > TROUBLE_MS) {
      lookedAt = ctx.clock.now();
      stale.pass();
    }
    return kept;
  };
  /** Fetches from one leader until something says that leaders must be looked up again. */
  const follow = async (address: string): Promise<void> => {
    for (;;) {
      while ((waitingAt.get(address) ?? 0) >= AHEAD) await room.passed(signal);
      const damage = damages.get(address);
      damages.delete(address);
      if (damage !== undefined) throw damage;
      const connection = await cluster.connection(address, PURPOSE);
      const mine = partitions
        .filter((p) => p.leader === address && !lost.has(p))
        .toSorted((a, b) => (served.get(a) ?? 0) - (served.get(b) ?? 0));
      if (mine.length === 0) return;
      const offsets = mine.map((p) => p.fetchOffset);
      const asked = mine.map((p) => ({
        topic: p.topic,
        partition: p.number,
        leaderEpoch: p.leaderEpoch,
        offset: p.fetchOffset,
      }));
      const response = await fetchRecords(connection, asked, { ...FETCH, committedOnly: options.committedOnly });
      const kept = accept(response, mine, offsets);
      if (kept > 0) {
        unread.set(response.frame, { left: kept, address });
        waitingAt.set(address, (waitingAt.get(address) ?? 0) + 1);
      } else response.frame.release();
      succeeded();
      wake();
    }
  };
  const succeeded = (): void => {
    if (damaged.size > 0) return;
    failures = 0;
    if (reported) ctx.report(undefined);
    reported = false;
  };
  const failed = (error: unknown): void => {
    if (isWeirError(error) && error.retry === "Terminal") fail(error);
    // The first failure is the ordinary way to learn of a new leader.
    if (++failures < 2 || signal.aborted) return;
    reported = true;
    const nextTryAt = ctx.clock.now() + backOff(failures);
    ctx.report({ code: "SOURCE_UNREACHABLE", message: `Kafka: ${messageOf(error)}`, nextTryAt });
  };
  const supervise = async (): Promise<void> => {
    const running = new Set<string>();
    for (;;) {
      const changed = stale.passed(signal);
      changed.catch(() => undefined);
      await untilReached(ctx, "SOURCE_UNREACHABLE", findLeaders);
      for (const address of leadersOf(partitions).filter((leader) => !running.has(leader))) {
        running.add(address);
        follow(address)
          .catch((error: unknown) => {
            cluster.drop(address, PURPOSE);
            failed(error);
          })
          .finally(() => {
            running.delete(address);
            stale.pass();
          });
      }
      await Promise.race([changed, pause(options.refreshMs, signal)]);
      if (failures > 0) await pause(backOff(failures), signal);
    }
  };
  supervise().catch(fail);
  const leave = (chunk: Chunk): void => {
    const answer = unread.get(chunk.frame);
    if (answer === undefined || --answer.left > 0) return;
    unread.delete(chunk.frame);
    chunk.frame.release();
    waitingAt.set(answer.address, (waitingAt.get(answer.address) ?? 1) - 1);
    room.pass();
  };
  const askAgain = ({ partition, frame, topicId }: Chunk, damage: Error): void => {
    damages.set(unread.get(frame)?.address ?? partition.leader, damage);
    damaged.add(partition);
    for (const chunk of chunks.filter((c) => c.partition === partition && c.topicId === topicId)) {
      chunks.splice(chunks.indexOf(chunk), 1);
      leave(chunk);
    }
    partition.aborted = abortedTransactions();
    // A topic that was deleted has nothing more to give.
    if (partition.fetchTopicId === topicId) partition.fetchOffset = partition.position;
  };

  return {
    chunks,
    done: () => {
      const [front] = chunks;
      if (front?.damage !== undefined) askAgain(front, front.damage);
      else if (front !== undefined) {
        chunks.shift();
        damaged.delete(front.partition);
        leave(front);
      }
    },
    look: stale.pass,
    failure: () => failure,
    close: () => ending.abort(),
  };
}

function leadersOf(partitions: readonly Partition[]): string[] {
  return [...new Set(partitions.map((p) => p.leader))].filter((address) => address !== "");
}

/** Lets waiters through one `pass` at a time. */
function turnstile(): { pass(): void; passed(signal: AbortSignal): Promise<void> } {
  let waiters: (() => void)[] = [];
  return {
    pass: () => {
      const now = waiters;
      waiters = [];
      for (const go of now) go();
    },
    passed: (signal) =>
      new Promise((resolve, reject) => {
        const stop = (): void => reject(new Error("closed"));
        if (signal.aborted) stop();
        signal.addEventListener("abort", stop, { once: true });
        waiters.push(() => {
          signal.removeEventListener("abort", stop);
          resolve();
        });
      }),
  };
}
