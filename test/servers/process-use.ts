/** What processes that serve metrics take, by their own account. */
import { setTimeout as delay } from "node:timers/promises";

export interface ProcessUse {
  readonly mib: number;
  /** Of one core. */
  readonly cores: number;
}

const MIB = 1024 * 1024;

/** The value of a metric without labels. */
export function figure(text: string, name: string): number {
  return Number(new RegExp(`^${name}(?:\\{[^}]*\\})? ([0-9.e+-]+)$`, "m").exec(text)?.[1]);
}

/** Reads the metrics at both ends of a span. */
export async function processUse(metrics: () => Promise<string>, spanMs = 15_000): Promise<ProcessUse> {
  const before = figure(await metrics(), "process_cpu_seconds_total");
  const began = performance.now();
  await delay(spanMs);
  const text = await metrics();
  const cores = (figure(text, "process_cpu_seconds_total") - before) / ((performance.now() - began) / 1000);
  return { mib: figure(text, "process_resident_memory_bytes") / MIB, cores };
}
