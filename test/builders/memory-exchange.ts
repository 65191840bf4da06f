import { MAX_BATCH_RECORDS } from "../../src/engine/batch.ts";
import type { Batch, SinkFactory, SourceFactory, SourceReader } from "../../src/engine/connectors/connector.ts";
import type { ExchangeConfig } from "../../src/engine/connectors/exchange/config.ts";
import type { ConnectorRegistry } from "../../src/engine/connectors/registry.ts";
import { murmur2, shardOf } from "../../src/engine/windows/murmur2.ts";

/** What a slot says between its records. */
interface Word {
  readonly epoch: number;
  readonly slot: number;
  readonly slots: number;
  readonly watermark?: number;
  readonly idle?: boolean;
  readonly end?: true;
  readonly barrier?: string;
}
type Entry = { readonly value: Buffer; readonly ts: number } | Word;

interface Topic {
  readonly partitions: readonly Entry[][];
  readonly wakes: Set<() => void>;
}

/** Exchanges in this process, for slots that run in it: topics that are read as soon as they are written, and never fail. */
export function memoryExchanges(others: ConnectorRegistry): ConnectorRegistry {
  const topics = new Map<string, Topic>();
  const topicOf = ({ topic, partitions }: ExchangeConfig): Topic => {
    const found = topics.get(topic) ?? { partitions: Array.from({ length: partitions }, () => []), wakes: new Set() };
    topics.set(topic, found);
    return found;
  };
  const sink: SinkFactory = {
    open: (config, ctx) => {
      const of = config as ExchangeConfig;
      return Promise.resolve(writer(topicOf(of), { epoch: ctx.epoch, slot: ctx.slot, slots: of.slots }));
    },
  };
  const source: SourceFactory = {
    splits: (config) => {
      const { topic, partitions } = config as ExchangeConfig;
      return Promise.resolve(Array.from({ length: partitions }, (_, index) => ({ id: `${topic}-${index}`, index })));
    },
    open: (config, assigned) => {
      const topic = topicOf(config as ExchangeConfig);
      return Promise.resolve(
        reader(
          topic,
          assigned.map((a) => [a.split.id, a.split.index]),
        ),
      );
    },
  };
  return {
    ...others,
    source: (name) => (name === "exchange" ? Promise.resolve(source) : others.source(name)),
    sink: (name) => (name === "exchange" ? Promise.resolve(sink) : others.sink(name)),
  };
}

function writer(
  { partitions, wakes }: Topic,
  who: Pick<Word, "epoch" | "slot" | "slots">,
): Awaited<ReturnType<SinkFactory["open"]>> {
  let records = 0;
  const wake = (): void => {
    for (const one of wakes) one();
  };
  const say = (word: Partial<Word>): void => {
    for (const partition of partitions) partition.push({ ...who, ...word });
    wake();
  };
  return {
    append: ({ value, start, end, key, keyStart, keyEnd, ts }) => {
      if (key === undefined) throw new Error("a record without a key at an exchange");
      const shard = shardOf(murmur2(key, keyStart, keyEnd), partitions.length);
      partitions[shard]?.push({ value: Buffer.from(value.subarray(start, end)), ts });
      records++;
      wake();
    },
    saturated: () => false,
    onDrain: () => {},
    flush: () => Promise.resolve(),
    watermark: (watermark) => say({ watermark }),
    idle: (idle) => say({ idle }),
    end: () => say({ end: true }),
    barrier: (barrier) => say({ barrier }),
    counters: () => ({ records, bytes: 0 }),
    close: () => Promise.resolve(),
  };
}

interface Heard {
  watermark: number;
  idle: boolean;
  ended: boolean;
}

/** One partition as a reader knows it. */
function partition(entries: readonly Entry[]) {
  let at = 0;
  let slots = 0;
  const heard = new Map<number, Heard>();
  const barriers = new Map<string, Set<number>>();
  const hear = ({ slot, barrier, watermark, idle, end }: Word): void => {
    const own = heard.get(slot) ?? { watermark: -Infinity, idle: false, ended: false };
    heard.set(slot, own);
    own.watermark = watermark ?? own.watermark;
    own.idle = idle ?? own.idle;
    own.ended ||= end === true;
    if (barrier !== undefined) barriers.set(barrier, (barriers.get(barrier) ?? new Set()).add(slot));
  };
  const reading = (): Heard[] => [...heard.values()].filter((h) => !h.ended);
  const complete = (): boolean => slots > 0 && heard.size === slots;
  return {
    /** The next records, up to a word of somebody's; nothing when there are none now. */
    next: (): { value: Buffer; ts: number }[] => {
      const found: { value: Buffer; ts: number }[] = [];
      for (; found.length < MAX_BATCH_RECORDS; at++) {
        const entry = entries[at];
        if (entry === undefined) break;
        if ("value" in entry) found.push(entry);
        else if (found.length > 0) break;
        else {
          slots = entry.slots;
          hear(entry);
        }
      }
      return found;
    },
    left: () => entries.length - at,
    watermark: () =>
      complete()
        ? Math.min(
            ...reading()
              .filter((h) => !h.idle)
              .map((h) => h.watermark),
          )
        : -Infinity,
    idle: () => complete() && reading().length > 0 && reading().every((h) => h.idle),
    ended: () => complete() && reading().length === 0,
    passed: (id: string) => barriers.get(id)?.size === slots,
  };
}

function reader({ partitions, wakes }: Topic, assigned: readonly (readonly [string, number])[]): SourceReader {
  const own = new Map(assigned.map(([, index]) => [index, partition(partitions[index] ?? [])]));
  const those = (is: (p: ReturnType<typeof partition>) => boolean): number[] =>
    [...own].filter(([, p]) => is(p)).map(([index]) => index);
  let turn = 0;
  let woken: (() => void) | undefined;
  return {
    poll: () => {
      for (let i = 0; i < own.size; i++) {
        const [index, from] = [...own][turn++ % own.size] ?? [];
        const records = from?.next() ?? [];
        if (index !== undefined && records.length > 0) return batch(records, index);
      }
      return undefined;
    },
    onReady: (wake) => {
      woken = wake;
      wakes.add(wake);
    },
    positions: () => new Map(assigned.map(([id]) => [id, {}])),
    finished: () => [...own.values()].every((p) => p.ended()),
    finishedSplits: () => those((p) => p.ended()),
    idleSplits: () => those((p) => p.idle()),
    watermarks: () => new Map([...own].map(([index, p]) => [index, p.watermark()])),
    passed: (id) => [...own.values()].every((p) => p.passed(id)),
    lag: () => ({ records: [...own.values()].reduce((sum, p) => sum + p.left(), 0) }),
    close: () => {
      if (woken !== undefined) wakes.delete(woken);
      return Promise.resolve();
    },
  };
}

function batch(records: readonly { value: Buffer; ts: number }[], split: number): Batch {
  let at = 0;
  const off = Int32Array.from(records, ({ value }) => (at += value.length) - value.length);
  return {
    split,
    n: records.length,
    buf: Buffer.concat(records.map((r) => r.value)),
    off,
    len: Int32Array.from(records, (r) => r.value.length),
    ts: Float64Array.from(records, (r) => r.ts),
    key: undefined,
    describe: (i) => `exchange[${split}] ${i}`,
  };
}
