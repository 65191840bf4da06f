import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { RestorePoint } from "../../src/api/worker-protocol.ts";
import type { PlanSink } from "../../src/engine/plan.ts";
import type { RunningSlot } from "../../src/engine/runtime/slot.ts";
import { countingPlan } from "../builders/counting-program.ts";
import { CRASH_POINTS, crasher, type CrashPoint, type Crasher } from "../builders/crashing-sinks.ts";
import {
  bucketOutside,
  databaseOutside,
  folderOutside,
  kafkaOutside,
  together,
  type Outside,
} from "../builders/exactly-once-outside.ts";
import { random, type Random } from "../builders/random.ts";
import { runSlot, type SlotSetting } from "../builders/running-slot.ts";

const LONG = process.env["WEIR_LONG"] === "1";
const SEEDS = LONG ? 25 : 2;
const RECORDS = 12_000;
const datagen = { splits: 4, rate: 0, count: RECORDS };

type Epoch = { readonly epoch: number; readonly slots: number; readonly restore: RestorePoint };

/** Reads some, takes a checkpoint, and reads the rest unless somebody has to die first. */
async function work(slots: readonly RunningSlot[], crash: Crasher, some: number): Promise<void> {
  for (const slot of slots) slot.resume();
  let ended = false;
  void Promise.allSettled(slots.map((s) => s.done)).then(() => (ended = true));
  while (!ended && slots.some((s) => s.measure().totalIn < some / slots.length)) {
    await new Promise((resolve) => setImmediate(resolve));
  }
  for (const slot of slots) {
    const { ok } = await slot.checkpoint();
    if (!ok) await slot.done;
  }
  if (crash.next !== undefined) throw new Error("nothing has died");
  await Promise.all(slots.map((s) => s.done));
}

/** Sometimes its worker comes back, sometimes the job is dealt to another number of them. */
function after({ epoch, slots }: Epoch): Epoch {
  return { epoch: epoch + 1, slots: slots === 1 ? 2 : 1, restore: { kind: "checkpoint", epoch, slots } };
}

/** One life of a job, whose workers die at `point` again and again, until it has read everything. */
async function live(setting: SlotSetting, crash: Crasher, { point, by }: { point: CrashPoint; by: Random }) {
  let epoch: Epoch = { epoch: 1, slots: 1, restore: { kind: "none" } };
  let crashes = 0;
  for (let attempt = 0; attempt < 12; attempt++) {
    crash.next = attempt < 4 ? point : undefined;
    const slots: RunningSlot[] = [];
    try {
      while (slots.length < epoch.slots) {
        const start = { ...setting.start, paused: true };
        slots.push(await runSlot({ ...setting, ...epoch, slot: slots.length, attempt, start }));
      }
      await work(slots, crash, by.below(RECORDS / 2));
      return { crashes };
    } catch {
      crashes++;
      await Promise.all(slots.map((s) => s.stop("Cancel", false)));
      if (slots.length === epoch.slots && by.chance(0.5)) epoch = after(epoch);
    }
  }
  throw new Error(`the job did not come to its end at "${point}"`);
}

/** One sink has no other commit beside it. */
const alone = CRASH_POINTS.filter((point) => point !== "after one of two commits");
/** Where it matters that one decides and others follow. */
const mixed: readonly CrashPoint[] = LONG
  ? CRASH_POINTS
  : ["after the manifest", "after one of two commits", "in recovery"];
const outsides: readonly {
  readonly name: string;
  readonly points: readonly CrashPoint[];
  start(): Promise<Outside>;
}[] = [
  { name: "postgres", points: alone, start: () => databaseOutside("postgres") },
  { name: "mysql", points: alone, start: () => databaseOutside("mysql") },
  { name: "two folders", points: CRASH_POINTS, start: folderOutside },
  { name: "two prefixes of a bucket", points: CRASH_POINTS, start: bucketOutside },
  {
    name: "postgres, which two folders follow",
    points: mixed,
    start: () => together(databaseOutside("postgres"), folderOutside()),
  },
  {
    name: "kafka, which two prefixes of a bucket follow",
    points: mixed,
    start: () => together(kafkaOutside(), bucketOutside()),
  },
];

describe.each(outsides)("a job that writes exactly once into $name", ({ name, points, start }) => {
  let outside: Outside;
  let violations = 0;
  let lives = 0;
  let deaths = 0;
  beforeAll(async () => {
    outside = await start();
  });
  afterAll(async () => {
    console.log(`${name}: ${lives} lives of a job, ${deaths} deaths in a commit, ${violations} violations`);
    await outside?.close();
  });

  async function play(point: CrashPoint, seed: number): Promise<void> {
    const folder = await mkdtemp(join(tmpdir(), "weir-crash-"));
    const lineage = `lives_${lives++}`;
    const place = await outside.place(lineage);
    const crash = crasher();
    const [sink, ...others] = place.sinks;
    const plan = countingPlan({ datagen, ...(sink === undefined ? {} : { sink }) });
    const copies = others.map((other, i) => ({ ...(plan.sinks[0] as PlanSink), ...other, node: `copy${i}` }));
    const setting = {
      plan: { ...plan, sinks: [...plan.sinks, ...copies] },
      connectors: crash.connectors,
      uri: `file://${folder}/state`,
      start: { lineage },
      secret: outside.secret,
    };
    const { crashes } = await live(setting, crash, { point, by: random(seed + 1) });
    deaths += crashes;
    const right = place.sinks.map(() => ({ total: RECORDS, various: RECORDS }));
    // Kafka's answer to a commit comes before the brokers of all partitions have heard of it.
    const isThere = async (): Promise<boolean> => JSON.stringify(await place.count()) === JSON.stringify(right);
    await expect
      .poll(isThere, { timeout: 60_000 })
      .toBe(true)
      .catch(() => violations++); // shown below
    const found = await place.count();
    expect({ seed, found }).toEqual({ seed, found: right });
    expect(crashes).toBeGreaterThan(0);
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  }

  it.each(points)("has every record once when it dies %s", async (point) => {
    for (let seed = 0; seed < SEEDS; seed++) await play(point, seed);
  });
});
