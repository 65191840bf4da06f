import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { RestorePoint } from "../../src/api/worker-protocol.ts";
import type { RunningSlot } from "../../src/engine/runtime/slot.ts";
import { countingPlan } from "../builders/counting-program.ts";
import { CRASH_POINTS, crasher, type CrashPoint, type Crasher } from "../builders/crashing-sinks.ts";
import { random, type Random } from "../builders/random.ts";
import { runSlot, type SlotSetting } from "../builders/running-slot.ts";
import { startDatabase, type DatabaseServer } from "../servers/databases.ts";

const SEEDS = process.env["WEIR_LONG"] === "1" ? 25 : 2;
const RECORDS = 12_000;
const datagen = { splits: 4, rate: 0, count: RECORDS };
const databases = ["postgres", "mysql"] as const;

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

describe.each(databases)("a job that writes exactly once into %s", (kind) => {
  let server: DatabaseServer;
  let violations = 0;
  let lives = 0;
  let deaths = 0;
  beforeAll(async () => {
    server = await startDatabase(kind);
  });
  afterAll(async () => {
    console.log(`${kind}: ${lives} lives of a job, ${deaths} deaths in a commit, ${violations} violations`);
    await server?.close();
  });

  it.each(CRASH_POINTS.filter((p) => p !== "after one of two commits"))(
    "has every row once when it dies %s",
    async (point) => {
      for (let seed = 0; seed < SEEDS; seed++) {
        const folder = await mkdtemp(join(tmpdir(), "weir-crash-"));
        const table = `lives_${lives++}`;
        await server.query(`CREATE TABLE ${table} (k varchar(20), n int)`);
        const crash = crasher();
        const config = { ...server.connection, table, batching: { count: 500 } };
        const sink = { connector: kind, config, delivery: "ExactlyOnce" } as const;
        const setting = {
          plan: countingPlan({ datagen, sink }),
          connectors: crash.connectors,
          uri: `file://${folder}/state`,
          start: { lineage: table },
          secret: (name: string, key: string) => server.referenced("Secret", name, key),
        };
        const { crashes } = await live(setting, crash, { point, by: random(seed + 1) });
        deaths += crashes;
        const [found] = await server.query(
          `SELECT count(*) AS total, count(DISTINCT concat(k, '/', n)) AS various FROM ${table}`,
        );
        if (Number(found?.["total"]) !== RECORDS || Number(found?.["various"]) !== RECORDS) violations++;
        expect({ seed, total: Number(found?.["total"]), various: Number(found?.["various"]) }).toEqual({
          seed,
          total: RECORDS,
          various: RECORDS,
        });
        expect(crashes).toBeGreaterThan(0);
        await rm(folder, { recursive: true, force: true, maxRetries: 5 });
      }
    },
  );
});
