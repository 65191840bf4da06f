import { parseDuration } from "../../../api/duration.ts";
import { parseQuantity } from "../../../api/quantity.ts";
import { messageOf } from "../../../errors.ts";
import type { SinkContext, SinkWriter } from "../connector.ts";
import { lineBuffer } from "../line-buffer.ts";
import type { OpenPart, PartStore } from "./part-store.ts";

/** Above this much unwritten output the sink asks the sources to wait. */
const SATURATED_BYTES = 4 * 1024 * 1024;
const WRITE_BYTES = 256 * 1024;
/** As of Flink's file sink. */
const ROLL_BYTES = 128 * 1024 * 1024;

export interface Rolling {
  readonly rollSize?: string | number;
  readonly rollInterval?: string;
}

export interface PartWriterOptions<P> {
  readonly store: PartStore<P>;
  readonly rolling: Rolling;
  readonly ctx: SinkContext;
  /** Number of the first part. */
  readonly first: number;
}

export interface PartWriter<P> extends SinkWriter {
  /** Exactly once: ends the open part. Gives the parts that wait for a commit, and the number of the next one. */
  cut(): Promise<{ readonly parts: readonly P[]; readonly next: number }>;
  /** Publishes parts that waited. */
  publish(parts: readonly P[]): Promise<void>;
  /** After an own commit: removes what workers before this one left. Parts that are still to be recovered must not go. */
  tidy(): void;
  /** Before any append: the next part has at least this number. */
  goOnFrom(number: number): void;
}

/**
 * Records as lines in parts, one write at a time. At least once a part is visible as soon as it is rolled; exactly once
 * every checkpoint ends the open part, and its commit publishes what was ended since the last one.
 */
export function partWriter<P extends { readonly name: string }>({
  store,
  rolling,
  ctx,
  first,
}: PartWriterOptions<P>): PartWriter<P> {
  const rollBytes = rolling.rollSize === undefined ? ROLL_BYTES : parseQuantity(rolling.rollSize);
  const rollMs = rolling.rollInterval === undefined ? undefined : parseDuration(rolling.rollInterval);
  const exactlyOnce = ctx.delivery === "ExactlyOnce";
  const lines = lineBuffer();
  const total = { records: 0, bytes: 0 };
  let wake = (): void => {};
  let work: Promise<void> = Promise.resolve();
  let pending = 0;
  let failure: Error | undefined;
  let open: { readonly part: OpenPart<P>; size: number; readonly timer: NodeJS.Timeout | undefined } | undefined;
  let next = first;
  /** Ended and not published. */
  let waiting: readonly P[] = [];
  let tidy = false;

  /** One after the other; after a failure nothing more is done. */
  const enqueue = (job: () => Promise<void>): void => {
    work = work.then(async () => {
      if (failure !== undefined) return;
      try {
        await job();
      } catch (e) {
        failure = e instanceof Error ? e : new Error(messageOf(e));
      }
    });
  };
  const roll = async (): Promise<void> => {
    if (open === undefined) return;
    clearTimeout(open.timer);
    const part = await open.part.seal();
    open = undefined;
    if (exactlyOnce) {
      waiting = [...waiting, part];
      return;
    }
    await store.publish([part]);
    await tidyUp();
  };
  /** Once: then there is nobody left to leave anything. */
  const tidyUp = async (): Promise<void> => {
    if (tidy) return;
    tidy = true;
    await store.removeOrphans().catch((e: unknown) => ctx.warn?.(messageOf(e)));
  };
  const rollLater = (): NodeJS.Timeout | undefined =>
    rollMs === undefined ? undefined : setTimeout(() => enqueue(roll), rollMs);
  const put = async (bytes: Buffer): Promise<void> => {
    open ??= { part: await store.open(next++), size: 0, timer: rollLater() };
    await open.part.write(bytes);
    open.size += bytes.length;
    if (open.size >= rollBytes) await roll();
  };
  const write = (): void => {
    if (lines.size === 0) return;
    const bytes = lines.take();
    pending += bytes.length;
    enqueue(() => put(bytes));
    work = work.then(() => {
      pending -= bytes.length;
      wake();
    });
  };
  /** Resolves when what was asked for is done. */
  const done = async (): Promise<void> => {
    await work;
    if (failure !== undefined) throw failure;
  };

  return {
    append: (record) => {
      total.records++;
      total.bytes += Math.max(0, record.end - record.start);
      lines.append(record);
      if (lines.size >= Math.min(WRITE_BYTES, rollBytes)) write();
    },
    saturated: () => failure === undefined && pending + lines.size > SATURATED_BYTES,
    onDrain: (fn) => {
      wake = fn;
    },
    flush: async () => {
      write();
      if (!exactlyOnce) enqueue(async () => await (open?.part.sync === undefined ? roll() : open.part.sync()));
      await done();
    },
    cut: async () => {
      let parts = waiting;
      enqueue(async () => {
        await roll();
        parts = waiting;
      });
      await done();
      return { parts, next };
    },
    publish: async (parts) => {
      await store.publish(parts);
      const published = new Set(parts.map((part) => part.name));
      waiting = waiting.filter((part) => !published.has(part.name));
    },
    tidy: () => enqueue(tidyUp),
    goOnFrom: (number) => {
      next = Math.max(next, number);
    },
    counters: () => ({ ...total }),
    close: async () => {
      clearTimeout(open?.timer);
      await work;
      await open?.part.abandon();
    },
  };
}
