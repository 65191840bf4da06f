import { compatibilityPartitioner } from "@platformatic/kafka";
import { systemClock } from "../src/clock.ts";
import type { OutRecord } from "../src/engine/connectors/connector.ts";
import { kafkaSink } from "../src/engine/connectors/kafka/sink.ts";
import { eventAt, type EventShape } from "./events.ts";

/** Far behind every event: one such record a partition lets all windows of the events close. */
export const SENTINEL_TENANT = "~end";
const SENTINEL_TS = 4_000_000_000_000;

/**
 * Writes the events once, keyed by tenant, and a sentinel into each partition. The topic is also what proves the input:
 * its end offsets must add up to the events.
 */
export async function writeEvents(
  brokers: readonly string[],
  topic: { readonly name: string; readonly partitions: number },
  count: number,
  shape: EventShape,
): Promise<void> {
  const controller = new AbortController();
  const writer = await kafkaSink.open(
    { brokers, topic: topic.name },
    {
      node: "bench",
      clock: systemClock,
      secret: () => undefined,
      referenced: () => undefined,
      resolvePath: (path) => path,
      report: () => undefined,
      signal: controller.signal,
      lineage: "bench",
      epoch: 0,
      slot: 0,
      attempt: 0,
      delivery: "AtLeastOnce",
      commitWithinMs: 60_000,
    },
  );
  for (let n = 0; n < count; n++) {
    const event = eventAt(n, shape);
    writer.append(recordOf(event.tenant, event.value, event.ts));
    if (n % 512 === 0 && writer.saturated()) await new Promise<void>((resolve) => writer.onDrain(resolve));
  }
  for (const key of sentinelKeys(topic.partitions)) {
    const value = `{"type":"metrics","ts":${SENTINEL_TS},"tenant":"${key}","payload":{"lag":0}}`;
    writer.append(recordOf(key, value, eventAt(count, shape).ts));
  }
  await writer.flush();
  await writer.close();
}

/** One key for each partition. */
function sentinelKeys(partitions: number): string[] {
  const keys = new Map<number, string>();
  for (let i = 0; keys.size < partitions; i++) {
    const key = `${SENTINEL_TENANT}${i}`;
    const hash = compatibilityPartitioner({ topic: "", value: Buffer.alloc(0) }, Buffer.from(key));
    keys.set(hash % partitions, key);
  }
  return [...keys.values()];
}

function recordOf(key: string, value: string, ts: number): OutRecord {
  const keyBytes = Buffer.from(key);
  const bytes = Buffer.from(value);
  return { value: bytes, start: 0, end: bytes.length, key: keyBytes, keyStart: 0, keyEnd: keyBytes.length, ts };
}
