/** A file of a job's checkpoints is damaged while nobody runs: it goes on right, or refuses to start, and never starts empty. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { RestorePoint } from "../../src/api/worker-protocol.ts";
import { builtInConnectors } from "../../src/engine/connectors/registry.ts";
import type { PlanSink } from "../../src/engine/plan.ts";
import type { RunningSlot } from "../../src/engine/runtime/slot.ts";
import { isWeirError } from "../../src/errors.ts";
import { countingPlan } from "../builders/counting-program.ts";
import { databaseOutside, folderOutside, type Outside } from "../builders/exactly-once-outside.ts";
import { filesBelow } from "../builders/files-below.ts";
import { random, type Random } from "../builders/random.ts";
import { runSlot, type SlotSetting } from "../builders/running-slot.ts";

const LIVES = process.env["WEIR_LONG"] === "1" ? 200 : 12;
const RECORDS = 12_000;
const datagen = { splits: 4, rate: 0, count: RECORDS };

type Launch = {
  readonly epoch: number;
  readonly slots: number;
  readonly attempt: number;
  readonly restore: RestorePoint;
};

/** All slots, or the reason why one of them does not start. */
async function launch(setting: SlotSetting, of: Launch): Promise<RunningSlot[] | Error> {
  const start = { ...setting.start, paused: true };
  const open = (_: unknown, slot: number) => runSlot({ ...setting, ...of, slot, start });
  const settled = await Promise.allSettled(Array.from({ length: of.slots }, open));
  const running = settled.flatMap((s) => (s.status === "fulfilled" ? [s.value] : []));
  const failed = settled.find((s) => s.status === "rejected");
  if (failed === undefined) return running;
  await Promise.all(running.map((slot) => slot.stop("Cancel", false)));
  return failed.reason as Error;
}

/** Reads a part with some checkpoints, and ends as a crash does. */
async function crashed(setting: SlotSetting, of: Launch, by: Random): Promise<void> {
  const running = await launch(setting, of);
  if (running instanceof Error) throw running;
  for (let checkpoints = 1 + by.below(3); checkpoints > 0; checkpoints--) {
    for (const slot of running) slot.resume();
    for (let turns = 1 + by.below(3); turns > 0; turns--) await new Promise((resolve) => setImmediate(resolve));
    for (const slot of running) {
      slot.pause();
      const { ok, error } = await slot.checkpoint();
      // One that has read everything by now has taken its last.
      expect(ok || error === "the slot has ended", error).toBe(true);
    }
  }
  await Promise.all(running.map((slot) => slot.stop("Cancel", false)));
}

const WAYS: readonly [string, ...string[]] = ["cut", "flip", "remove"];
const KINDS: readonly RegExp[] = [/manifest\.json$/, /\.seg$/, /completed$/, /./];

/** Damages one file, and gives what undoes it. */
function damage(folder: string, kind: RegExp, by: Random): { what: string; repair: () => void } {
  const files = Object.keys(filesBelow(folder)).filter((path) => kind.test(path));
  const path = by.pick(files as [string, ...string[]]);
  const bytes = readFileSync(path);
  const way = by.pick(WAYS);
  if (way === "remove") rmSync(path);
  else if (way === "cut") writeFileSync(path, bytes.subarray(0, by.below(bytes.length)));
  else {
    const flipped = Buffer.from(bytes);
    const at = by.below(bytes.length);
    flipped[at] = (flipped[at] ?? 0) ^ (1 << by.below(8));
    writeFileSync(path, flipped);
  }
  return { what: `${way} ${path.slice(folder.length)}`, repair: () => writeFileSync(path, bytes) };
}

const outsides: readonly (readonly [name: string, start: () => Promise<Outside>])[] = [
  ["two folders, which follow the checkpoint", folderOutside],
  ["PostgreSQL, whose marker decides", () => databaseOutside("postgres")],
];

describe.each(outsides)("a job that writes exactly once into %s", (name, open) => {
  let outside: Outside;
  const figures = { refused: 0, wentOn: 0, violations: 0 };
  beforeAll(async () => {
    outside = await open();
  });
  afterAll(async () => {
    const { refused, wentOn, violations } = figures;
    console.log(
      `${name}: ${refused + wentOn} damaged files, ${refused} starts refused, ${wentOn} went on, ${violations} violations`,
    );
    await outside?.close();
  });

  async function live(seed: number, state: string): Promise<void> {
    const by = random(seed);
    const lineage = `damaged_${seed}`;
    const place = await outside.place(lineage);
    const [sink, ...others] = place.sinks;
    const plan = countingPlan({ datagen, ...(sink === undefined ? {} : { sink }) });
    const copies = others.map((other, i) => ({ ...(plan.sinks[0] as PlanSink), ...other, node: `copy${i}` }));
    const setting: SlotSetting = {
      plan: { ...plan, sinks: [...plan.sinks, ...copies] },
      connectors: builtInConnectors,
      uri: `file://${state}`,
      start: { lineage },
      secret: outside.secret,
    };
    const slots = 1 + by.below(2);
    await crashed(setting, { epoch: 1, slots, attempt: 0, restore: { kind: "none" } }, by);
    const { what, repair } = damage(state, KINDS[seed % KINDS.length] as RegExp, by);
    const next: Launch = by.chance(0.5)
      ? { epoch: 1, slots, attempt: 1, restore: { kind: "none" } }
      : { epoch: 2, slots: 3 - slots, attempt: 0, restore: { kind: "checkpoint", epoch: 1, slots } };
    let running = await launch(setting, next);
    if (running instanceof Error) {
      expect(isWeirError(running) && running.code, `${what}: ${running.stack}`).toBe("CHECKPOINT_CORRUPT");
      figures.refused++;
      repair();
      running = await launch(setting, { ...next, attempt: next.attempt + 1 });
    } else figures.wentOn++;
    if (running instanceof Error) throw running;
    for (const slot of running) slot.resume();
    await Promise.all(running.map((slot) => slot.done));
    const found = await place.count();
    const right = place.sinks.map(() => ({ total: RECORDS, various: RECORDS }));
    if (JSON.stringify(found) !== JSON.stringify(right)) figures.violations++;
    expect({ seed, what, found }).toEqual({ seed, what, found: right });
  }

  it("has every record once, whichever file is cut off, changed or gone", async () => {
    for (let seed = 0; seed < LIVES; seed++) {
      const state = mkdtempSync(join(tmpdir(), "weir-damage-"));
      await live(seed, state);
      rmSync(state, { recursive: true, force: true, maxRetries: 5 });
    }
    expect(figures.refused).toBeGreaterThan(0);
    expect(figures.wentOn).toBeGreaterThan(0);
  });
});
