import { WeirError } from "../../../errors.ts";
import { murmur2, shardOf } from "../../windows/murmur2.ts";
import type { OutRecord, SinkContext, SinkFactory, SinkWriter } from "../connector.ts";
import { openTopicWriter, type TopicWriter } from "../kafka/topic-writer.ts";
import type { ExchangeConfig } from "./config.ts";
import { encodeMarker, wrapValue } from "./envelope.ts";
import { ensureExchange } from "./topics.ts";

/**
 * What readers wait for is said so often at the most, outside of transactions: a window closes so much later, and a slot
 * writes partitions × 5 markers a second; with many partitions, 500. In a transaction only the last one before the commit
 * counts, because nobody sees any of them before that: one for each partition and checkpoint.
 */
const SAY_MS = 200;
const MS_PER_PARTITION = 2;

/**
 * Writes each record to the partition that is its key's shard, and to all of them how far time is. Without compression: it
 * took 0.6 to 1.2 µs of this one core for a record to be written and read again, and 0.6 altogether without.
 */
export const exchangeSink: SinkFactory = {
  open: async (config, context) => {
    const exchange = config as ExchangeConfig;
    const { tls, sasl, brokers, topic } = exchange;
    const connection = { brokers, ...(tls === undefined ? {} : { tls }), ...(sasl === undefined ? {} : { sasl }) };
    const create: NonNullable<Parameters<typeof openTopicWriter>[0]["create"]> = (cluster) =>
      ensureExchange(cluster, exchange, context);
    return exchangeWriter(
      await openTopicWriter({ config: { ...connection, topic }, context, create }),
      exchange,
      context,
    );
  },
};

function exchangeWriter(
  { sink, appendTo }: TopicWriter,
  { partitions, slots }: ExchangeConfig,
  { node, epoch, slot, delivery }: SinkContext,
): SinkWriter {
  let watermark = -Infinity;
  let idle = false;
  let ended = false;
  /** Readers have not heard the above; at the start they may have heard something else of an attempt before. */
  let unsaid = true;
  let timer: NodeJS.Timeout | undefined;
  let scratch: Buffer = Buffer.allocUnsafeSlow(4096);
  const sayMs = delivery === "ExactlyOnce" ? Infinity : Math.max(SAY_MS, MS_PER_PARTITION * partitions);
  const out: OutRecord = { value: scratch, start: 0, end: 0, key: undefined, keyStart: 0, keyEnd: -1, ts: 0 };
  const counters = { records: 0, bytes: 0 };

  const say = (barrier?: string): void => {
    clearTimeout(timer);
    timer = undefined;
    unsaid = false;
    const value = encodeMarker({ epoch, slot, slots, watermark, idle, ended, barrier });
    const marker: OutRecord = { value, start: 0, end: value.length, key: undefined, keyStart: 0, keyEnd: -1, ts: 0 };
    for (let partition = 0; partition < partitions; partition++) appendTo(partition, marker);
  };
  const soon = (): void => {
    unsaid = true;
    if (sayMs < Infinity) timer ??= setTimeout(say, sayMs);
  };
  return {
    ...sink,
    append: (record) => {
      const { key, keyStart, keyEnd } = record;
      if (key === undefined || keyEnd < 0) throw new WeirError("INTERNAL", `${node}: a record without a key`);
      const wrapped = wrapValue(record, scratch);
      out.value = scratch = wrapped.buf;
      out.end = wrapped.end;
      out.key = key;
      out.keyStart = keyStart;
      out.keyEnd = keyEnd;
      appendTo(shardOf(murmur2(key, keyStart, keyEnd), partitions), out);
      counters.records++;
      counters.bytes += wrapped.end;
    },
    watermark: (ms) => {
      if (ms <= watermark) return;
      watermark = ms;
      soon();
    },
    idle: (now) => {
      if (now === idle) return;
      idle = now;
      soon();
    },
    end: () => {
      ended = true;
      say();
    },
    barrier: (id) => say(id),
    flush: () => {
      if (unsaid) say();
      return sink.flush();
    },
    counters: () => counters,
    close: () => {
      clearTimeout(timer);
      return sink.close();
    },
  };
}
