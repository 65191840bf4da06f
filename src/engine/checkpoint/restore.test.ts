import { mkdtemp, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { RestorePoint } from "../../api/worker-protocol.ts";
import type { RunningSlot } from "../runtime/slot.ts";
import { collected } from "../../../test/builders/collected-sink.ts";
import { countingPlan, countingProgram } from "../../../test/builders/counting-program.ts";
import { runSlot, stopWithSavepoint, type SlotSetting } from "../../../test/builders/running-slot.ts";
import { findState, recordOrigin, type RestoreRequest } from "./restore.ts";
import { openStorage } from "./storage.ts";

const datagen = { splits: 4, rate: 1000, backlog: 2000 };
const plan = countingPlan({ datagen, sink: { connector: "collect", config: {} } });
let folder = "";
let setting: SlotSetting;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "weir-restore-"));
  setting = { plan, connectors: collected().connectors, uri: `file://${folder}/state` };
});
afterEach(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }));

const slotDir = (epoch = 1, slot = 0): string =>
  join(folder, `state/default/rollup/line-1/checkpoints/e${epoch}/s${slot}`);

async function untilRead(slot: RunningSlot, records = 0): Promise<void> {
  while (slot.measure().totalIn <= records) await new Promise((resolve) => setImmediate(resolve));
}

const IDENTITY = { namespace: "default", job: "rollup", jobUid: "uid", lineage: "line-1", slots: 4, attempt: 0 };
const before = (epoch: number): RestorePoint => ({ kind: "checkpoint", epoch: epoch - 1, slots: 4 });

/** Two checkpoints at positions further and further on, then a crash. */
async function crashed(): Promise<void> {
  const slot = await runSlot({ ...setting, start: { paused: true } });
  await slot.checkpoint();
  slot.resume();
  await untilRead(slot);
  await slot.checkpoint();
  await slot.stop("Cancel", false);
}

async function savepoint(): Promise<RestorePoint & { kind: "savepoint" }> {
  const slot = await runSlot(setting);
  await untilRead(slot);
  const point = await stopWithSavepoint([slot], `file://${folder}/savepoint`);
  if (point.kind !== "savepoint") throw new Error("unreachable");
  return point;
}

describe("restoring", () => {
  it("goes on from the newest checkpoint of its own epoch when only the container was restarted", async () => {
    await crashed();
    const again = await runSlot(setting);
    expect(again.restored).toEqual({ uri: expect.stringContaining("/e1/s0/2") as string, checkpointId: 2 });
    await again.stop("Cancel", false);
  });

  it("keeps as many checkpoints as it is told and removes the rest, also what a crash left unfinished", async () => {
    await crashed();
    await rm(join(slotDir(), "1", "manifest.json"));
    const slot = await runSlot({ ...setting, checkpoint: { retain: 2 } });
    for (let i = 0; i < 4; i++) expect(await slot.checkpoint()).toMatchObject({ ok: true });
    await slot.stop("Cancel", false);
    expect((await readdir(slotDir())).toSorted()).toEqual(["5", "6"]);
  });

  it("takes, for a slot that never reached a checkpoint, what its epoch started from", async () => {
    const point = await savepoint();
    const second = await runSlot({ ...setting, epoch: 2, restore: point });
    await second.stop("Cancel", false);
    const third = await runSlot({ ...setting, epoch: 3, restore: { kind: "checkpoint", epoch: 2, slots: 1 } });
    expect(third.restored).not.toBeNull();
    await third.stop("Cancel", false);
  });

  it("goes on from the newest epoch that began at the same place, where nobody knows whether one did", async () => {
    const point = { ...(await savepoint()), since: 2 };
    const start = async (epoch: number, checkpoint: boolean): Promise<string | undefined> => {
      const slot = await runSlot({ ...setting, epoch, restore: point });
      if (checkpoint) expect(await slot.checkpoint()).toMatchObject({ ok: true });
      await slot.stop("Cancel", false);
      return slot.restored?.uri;
    };
    expect(await start(2, false)).toBe(point.uri);
    expect(await start(4, true)).toMatch(/checkpoints\/e2$/);
    expect(await start(6, false)).toMatch(/checkpoints\/e4$/);
    expect(await start(7, false)).toMatch(/checkpoints\/e6$/);
    const named = await runSlot({ ...setting, epoch: 8, restore: { ...point, since: 8 } });
    expect(named.restored?.uri).toBe(point.uri);
    await named.stop("Cancel", false);
  });

  it.each(["since the savepoint", "each from the one before"])(
    "reads the place behind epochs that never came to a checkpoint once, however many there were: %s",
    async (chain) => {
      const point = await savepoint();
      const storage = openStorage(setting.uri, (path) => path);
      for (let epoch = 2; epoch <= 6; epoch++) {
        let reads = 0;
        const request = (slot: number): RestoreRequest => ({
          storage,
          openStorage: (uri) => {
            reads++;
            return openStorage(uri, (path) => path);
          },
          identity: { ...IDENTITY, epoch, slot },
          restore: epoch > 2 && !chain.startsWith("since") ? before(epoch) : { ...point, since: 2 },
        });
        const states = [0, 1, 2, 3].map((slot) => findState(request(slot)));
        for (const state of await Promise.all(states)) {
          const splits = state?.parts.flatMap(({ manifest }) => manifest.sources).flatMap((source) => source.splits);
          expect(splits?.map(({ index }) => index)).toEqual([0, 1, 2, 3]);
        }
        expect(reads).toBe(4);
        await recordOrigin(request(0));
      }
    },
  );

  it("takes what only some slots of an epoch have no checkpoint of from where it started, at another parallelism", async () => {
    const point = await savepoint();
    const slots = await Promise.all(
      [0, 1, 2, 3].map((slot) => runSlot({ ...setting, epoch: 2, slots: 4, slot, restore: point })),
    );
    expect(await slots[1]?.checkpoint()).toMatchObject({ ok: true });
    await Promise.all(slots.map((s) => s.stop("Cancel", false)));
    let reads = 0;
    const state = await findState({
      storage: openStorage(setting.uri, (path) => path),
      openStorage: (uri) => {
        reads++;
        return openStorage(uri, (path) => path);
      },
      identity: { ...IDENTITY, epoch: 3, slot: 0, slots: 1 },
      restore: { kind: "checkpoint", epoch: 2, slots: 4 },
    });
    const splits = (state?.parts ?? []).map(({ uri, manifest }) => [
      uri.startsWith(point.uri) ? "savepoint" : "checkpoint",
      manifest.sources.flatMap((source) => source.splits.map(({ index }) => index)),
    ]);
    expect(splits).toEqual([
      ["checkpoint", [1]],
      ["savepoint", [0, 2, 3]],
    ]);
    expect(reads).toBe(1);
  });

  it("goes back behind the damaged checkpoint of an epoch that began there, where the user allows it", async () => {
    const point = { ...(await savepoint()), since: 2 };
    const second = await runSlot({ ...setting, epoch: 2, restore: point });
    await second.checkpoint();
    await second.stop("Cancel", false);
    await writeFile(join(slotDir(2), "1", "manifest.json"), "{");
    const find = (restore: RestorePoint) =>
      findState({
        storage: openStorage(setting.uri, (path) => path),
        openStorage: (uri) => openStorage(uri, (path) => path),
        identity: { ...IDENTITY, epoch: 3, slot: 0, slots: 1 },
        restore,
      });
    await expect(find(point)).rejects.toMatchObject({ code: "CHECKPOINT_CORRUPT" });
    const state = await find({ ...point, acceptReplay: true });
    expect(state?.parts.map(({ uri }) => uri)).toEqual([expect.stringContaining(point.uri)]);
    await expect(find({ kind: "checkpoint", epoch: 1, slots: 1, since: 2 })).rejects.toMatchObject({
      code: "CHECKPOINT_CORRUPT",
    });
    expect(await find({ kind: "checkpoint", epoch: 1, slots: 1, since: 2, acceptReplay: true })).toBeDefined();
  });

  it("does not start empty from an epoch that left nothing at all", async () => {
    await expect(
      runSlot({ ...setting, epoch: 3, restore: { kind: "checkpoint", epoch: 2, slots: 1 } }),
    ).rejects.toThrow(/e2 has neither a checkpoint of slot 0 nor origin.json/);
  });

  it("removes older epochs once every slot of the new one has a checkpoint", async () => {
    const point = await savepoint();
    const slots = await Promise.all(
      [0, 1].map((slot) => runSlot({ ...setting, epoch: 2, slots: 2, slot, restore: point })),
    );
    await slots[0]?.checkpoint();
    expect(await readdir(join(slotDir(), "../.."))).toContain("e1");
    for (const slot of slots.toReversed()) expect(await slot.checkpoint()).toMatchObject({ ok: true });
    expect(await readdir(join(slotDir(), "../.."))).toEqual(["e2"]);
    await Promise.all(slots.map((s) => s.stop("Cancel", false)));
  });

  it("restores a savepoint after it was moved to another folder", async () => {
    const point = await savepoint();
    await rename(join(folder, "savepoint"), join(folder, "moved"));
    const slot = await runSlot({ ...setting, epoch: 2, restore: { ...point, uri: `file://${folder}/moved` } });
    expect(slot.restored).toEqual({ uri: `file://${folder}/moved` });
    await slot.stop("Cancel", false);
  });
});

describe("damage", () => {
  it("goes back to the older checkpoint where all sinks are at-least-once, and says so", async () => {
    await crashed();
    await writeFile(join(slotDir(), "2", "manifest.json"), "{");
    const warnings: string[] = [];
    const slot = await runSlot({ ...setting, listener: { warning: (text) => warnings.push(text) } });
    expect(slot.restored?.checkpointId).toBe(1);
    expect(warnings).toEqual([expect.stringMatching(/e1\/s0\/2\/manifest.json is cut off.*went back to checkpoint 1/)]);
    await slot.stop("Cancel", false);
  });

  it("is not done by an older attempt that is still alive and writes the same checkpoint", async () => {
    const [old, young] = [await runSlot(setting), await runSlot({ ...setting, attempt: 1 })];
    await untilRead(young);
    expect(await young.checkpoint()).toMatchObject({ id: 1, ok: true });
    await untilRead(old, young.measure().totalIn + 100);
    expect(await old.checkpoint()).toMatchObject({ id: 1, ok: false });
    await Promise.all([old.stop("Cancel", false), young.stop("Cancel", false)]);
    const again = await runSlot({ ...setting, attempt: 2 });
    expect(again.restored?.checkpointId).toBe(1);
    await again.stop("Cancel", false);
  });

  it("refuses to start when the only checkpoint is damaged, instead of starting empty", async () => {
    const slot = await runSlot(setting);
    await slot.checkpoint();
    await slot.stop("Cancel", false);
    const path = join(slotDir(), "1", "manifest.json");
    const text = await readFile(path, "utf8");
    await writeFile(path, text.replace('"splitCount":4', '"splitCount":5'));
    await expect(runSlot(setting)).rejects.toMatchObject({
      code: "CHECKPOINT_CORRUPT",
      message: expect.stringMatching(/does not match its checksum; there is no older checkpoint/) as string,
    });
  });

  it("finds a flipped bit in the entries of a savepoint", async () => {
    const point = await savepoint();
    const path = join(folder, "savepoint/s0/a0-0/state-a0.seg");
    const bytes = await readFile(path);
    bytes[10] = (bytes[10] as number) ^ 1;
    await writeFile(path, bytes);
    await expect(runSlot({ ...setting, epoch: 2, restore: point })).rejects.toThrow(
      /state-a0.seg does not match its checksum in bytes 0 to/,
    );
  });

  it.each([
    ["state-a0.seg", /state-a0.seg is missing/],
    ["manifest.json", /manifest.json is missing/],
  ])("says which part of a savepoint is missing: %s", async (file, message) => {
    const point = await savepoint();
    await rm(join(folder, "savepoint/s0/a0-0", file));
    await expect(runSlot({ ...setting, epoch: 2, restore: point })).rejects.toThrow(message);
  });

  it("says that a savepoint does not exist, or was never completed", async () => {
    const point = await savepoint();
    await rm(join(folder, "savepoint/_metadata.json"));
    await expect(runSlot({ ...setting, epoch: 2, restore: point })).rejects.toMatchObject({
      code: "SAVEPOINT_NOT_FOUND",
      message: expect.stringContaining(`${folder}/savepoint/_metadata.json does not exist`) as string,
    });
  });
});

describe("state that does not fit", () => {
  const refusal = async (over: Partial<SlotSetting>, point?: Partial<RestorePoint>): Promise<string> => {
    const restore = { ...(await savepoint()), ...point } as RestorePoint;
    return await runSlot({ ...setting, epoch: 2, restore, ...over }).then(
      async (slot) => {
        await slot.stop("Cancel", false);
        return "restored";
      },
      (e: Error) => e.message,
    );
  };

  it("is refused with another maxParallelism", async () => {
    const other = countingPlan({ datagen, sink: { connector: "collect", config: {} }, maxParallelism: 8 });
    expect(await refusal({ plan: other })).toMatch(/taken with maxParallelism 16, the job now has 8; set it back/);
  });

  it("is refused when the key, window or aggregates of its node changed", async () => {
    const build: SlotSetting["build"] = (p, o) => countingProgram(p, o, "other");
    expect(await refusal({ build })).toMatch(/node count keeps other state now/);
  });

  const withoutCount: SlotSetting["build"] = (p, o) => ({ ...countingProgram(p, o), keyed: [] });
  it("is refused when its node is gone", async () => {
    expect(await refusal({ build: withoutCount })).toMatch(/no longer has node count; bring it back/);
  });

  it("is dropped when the user allows that", async () => {
    expect(await refusal({ build: withoutCount }, { allowNonRestoredState: true })).toBe("restored");
  });

  it("is refused for another job", async () => {
    expect(await refusal({ start: { job: "other", lineage: "line-2" } })).toMatch(/belongs to job default\/rollup/);
  });

  it("is refused when a declared source has another number of splits, because keys have moved", async () => {
    const other = countingPlan({ datagen: { ...datagen, splits: 8 }, sink: { connector: "collect", config: {} } });
    expect(await refusal({ plan: other })).toMatch(/had 4 splits and now has 8/);
  });

  it("is refused in a version that this worker does not know", async () => {
    const point = await savepoint();
    const path = join(folder, "savepoint/_metadata.json");
    const body = JSON.stringify({ ...(JSON.parse(await readFile(path, "utf8")) as { body: object }).body, version: 9 });
    const { createHash } = await import("node:crypto");
    const hash = createHash("sha256").update(body).digest("hex");
    await writeFile(path, `{"sha256":"${hash}","body":${body}}\n`);
    await expect(runSlot({ ...setting, epoch: 2, restore: point })).rejects.toThrow(
      /has version 9; this worker reads version 1/,
    );
  });
});
