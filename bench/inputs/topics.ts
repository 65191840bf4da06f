import { compatibilityPartitioner } from "@platformatic/kafka";
import { systemClock } from "../../src/clock.ts";
import type { OutRecord, SinkWriter } from "../../src/engine/connectors/connector.ts";
import { kafkaSink } from "../../src/engine/connectors/kafka/sink.ts";
import type { Input, InputRecord } from "./input.ts";

export const PARTITIONS = 4;

/** Writes an input once, each record to the partition of its key, and a sentinel into each partition. */
export async function writeInput(brokers: readonly string[], input: Input, count: number): Promise<void> {
  await writeOpen(brokers, input, { from: 0, count });
  const writer = await openWriter(brokers, input.topic);
  for (const sentinel of sentinels(input)) writer.append(outRecord(sentinel));
  await writer.flush();
  await writer.close();
}

/** Without sentinels: windows stay open. */
export async function writeOpen(
  brokers: readonly string[],
  input: Input,
  { from, count }: { readonly from: number; readonly count: number },
): Promise<void> {
  const writer = await openWriter(brokers, input.topic);
  for (let n = from; n < from + count; n++) {
    writer.append(outRecord(input.record(n)));
    if (n % 512 === 0 && writer.saturated()) await new Promise<void>((resolve) => writer.onDrain(resolve));
  }
  await writer.flush();
  await writer.close();
}

const TICK_MS = 10;

/** Goes on writing until it is stopped. */
export async function liveInput(
  brokers: readonly string[],
  input: Input,
  perSecond: number,
): Promise<{ stop(): Promise<void> }> {
  const writer = await openWriter(brokers, input.topic);
  let written = 0;
  const began = performance.now();
  const timer = setInterval(() => {
    const due = ((performance.now() - began) * perSecond) / 1000;
    for (; written < due; written++) writer.append(outRecord(input.record(written)));
  }, TICK_MS);
  return {
    stop: async () => {
      clearInterval(timer);
      await writer.flush();
      await writer.close();
    },
  };
}

function openWriter(brokers: readonly string[], topic: string): Promise<SinkWriter> {
  return kafkaSink.open(
    { brokers, topic },
    {
      node: "bench",
      clock: systemClock,
      secret: () => undefined,
      referenced: () => undefined,
      resolvePath: (path) => path,
      report: () => undefined,
      signal: new AbortController().signal,
      lineage: "bench",
      epoch: 0,
      slot: 0,
      attempt: 0,
      delivery: "AtLeastOnce",
      commitWithinMs: 60_000,
    },
  );
}

/** One for each partition. */
function sentinels(input: Input): InputRecord[] {
  const found = new Map<number, InputRecord>();
  for (let i = 0; found.size < PARTITIONS; i++) {
    const record = input.sentinel(String(i));
    const hash = compatibilityPartitioner({ topic: "", value: Buffer.alloc(0) }, Buffer.from(record.key));
    found.set(hash % PARTITIONS, record);
  }
  return [...found.values()];
}

function outRecord({ key, value, ts }: InputRecord): OutRecord {
  const keyBytes = Buffer.from(key);
  const bytes = Buffer.from(value);
  return { value: bytes, start: 0, end: bytes.length, key: keyBytes, keyStart: 0, keyEnd: keyBytes.length, ts };
}
