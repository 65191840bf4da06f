import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { Input } from "../inputs/input.ts";
import { writeOpen } from "../inputs/topics.ts";
import { checkpointed, openWorker, type OpenWorker } from "../peers/weir-worker.ts";
import type { Figure } from "../table.ts";
import { milliseconds, planFor, type FigureRun } from "./figure-run.ts";

const KEYS = 1_000_000;
/** No checkpoint but those that are asked for; a transaction must not stay open for longer than brokers allow. */
const RARELY_MS = 600_000;
/** More than a checkpoint waits for. */
const UPDATES = 1_000_000;

/** Each key comes once before the first comes again; all in one window, which stays open. */
const manyKeys = (topic: string): Input => ({
  topic,
  record: (n) => {
    const key = `tenant-${n % KEYS}`;
    return { key, value: `{"ts":${1_700_000_000_000},"tenant":"${key}","payload":{"lag":${n}}}`, ts: 0 };
  },
  sentinel: () => {
    throw new Error("the window must stay open");
  },
});

/** Checkpoints of 1,000,000 keys, whole and then of what changed, and how long the event loop is away meanwhile. */
export async function checkpointTime(run: FigureRun): Promise<Figure[]> {
  const { plan, input, brokers, run: lineage } = await planFor(run, "W3", "many-keys");
  await writeOpen(brokers, manyKeys(input), { from: 0, count: KEYS });
  const flags = ["--import", join(import.meta.dirname, "loop-delay.ts")];
  const open = await openWorker({ main: run.main, plan, lineage, intervalMs: RARELY_MS, flags });
  try {
    while ((await open.worker.status()).metrics.totalIn < KEYS) await delay(20);
    await open.worker.event((e) => e.type === "metrics" && e.metrics.keys >= KEYS);
    await loopDelay(open);
    const first = await checkpointed(open.worker, "first");
    const idle = await loopDelay(open);
    const updates = writeOpen(brokers, manyKeys(input), { from: KEYS, count: UPDATES });
    while ((await open.worker.status()).metrics.totalIn < KEYS * 1.1) await delay(5);
    const without = await loopDelay(open);
    const busy = await checkpointed(open.worker, "busy");
    const pause = await loopDelay(open);
    await updates;
    const pauses = ({ p99, max }: typeof pause): string => `${p99.toFixed(1)} / ${max.toFixed(1)} ms`;
    return [
      [`first checkpoint of ${KEYS} keys (${mebibytes(first.bytes)}), fsync included`, milliseconds(first.durationMs)],
      ["event-loop pause meanwhile, p99 / longest", pauses(idle), "20 ms"],
      [`one of what changed (${mebibytes(busy.bytes)}), records coming in`, milliseconds(busy.durationMs)],
      ["event-loop pause meanwhile, p99 / longest", pauses(pause), "20 ms"],
      ["event-loop pause without a checkpoint, records coming in, p99 / longest", pauses(without)],
    ];
  } catch (cause) {
    throw new Error(`the worker's log:\n${open.worker.log.join("\n")}`, { cause });
  } finally {
    await open.close();
  }
}

const mebibytes = (bytes: number): string => `${(bytes / 1024 / 1024).toFixed(1)} MiB`;

/** Since the last time it was asked. */
async function loopDelay({ worker }: OpenWorker): Promise<{ p99: number; max: number }> {
  const told = (): string[] => worker.log.filter((line) => line.includes('"event loop"'));
  const before = told().length;
  worker.kill("SIGUSR2");
  while (told().length === before) await delay(5);
  return JSON.parse(told().at(-1) as string) as { p99: number; max: number };
}
