/** What a slot does when its storage is full, slow, damaged or away: it goes on, goes back or refuses, and never starts empty. */
import { execFileSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { planPipeline } from "../../src/engine/planner/plan-pipeline.ts";
import { compile } from "../../src/engine/codegen/compile.ts";
import { builtInConnectors } from "../../src/engine/connectors/registry.ts";
import type { RunningSlot } from "../../src/engine/runtime/slot.ts";
import { runSlot, type SlotSetting } from "../builders/running-slot.ts";
import { startHttpFaults, type HttpFaults } from "../servers/http-faults.ts";
import { BUCKET, startS3, type S3Server } from "../servers/s3.ts";

const KEYS = 3_000;
/** All keys at once, and then a few at a time. */
const source = {
  datagen: { splits: 1, rate: 100, backlog: KEYS * 4, fields: [{ path: "k", key: { prefix: "k", count: KEYS } }] },
};
const nodes = [
  { name: "events", source, partitionedBy: "event.k" },
  { name: "counts", from: ["events"], keyBy: "event.k", aggregate: { n: "count()" } },
  { name: "out", from: ["counts"], sink: { blackhole: {} } },
];
const plan = planPipeline({ nodes }, { parameters: {}, maxParallelism: 4 });

let server: S3Server;
let faults: HttpFaults;
let folder = "";
let nth = 0;
beforeAll(async () => {
  server = await startS3();
  faults = await startHttpFaults(server.endpoint);
});
afterAll(async () => {
  await faults?.stop();
  await server?.stop();
});
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "weir-faults-"));
  nth++;
});
afterEach(() => {
  faults.heal();
  rmSync(folder, { recursive: true, force: true });
});

const running: RunningSlot[] = [];
afterEach(async () => {
  await Promise.all(running.splice(0).map((slot) => slot.stop("Cancel", false)));
});

/** A storage, and the folder where its objects are as files. */
interface Place {
  readonly setting: SlotSetting;
  readonly files: string;
}
const basic = { plan, connectors: builtInConnectors, build: compile };
const fileAt = (path: string): Place => ({
  setting: { ...basic, uri: `file://${path}/state` },
  files: `${path}/state`,
});
const bucket = (): Place => ({
  setting: {
    ...basic,
    uri: `s3://${BUCKET}/faults-${nth}`,
    checkpoint: { objectStore: { endpoint: faults.url, secret: "s3-user" } },
    secret: (_name, key) => server.store.secret(key),
  },
  files: join(server.folderOf(BUCKET), `faults-${nth}`),
});

async function start({ setting }: Place, over: Partial<SlotSetting> = {}): Promise<RunningSlot> {
  const checkpoint = { ...setting.checkpoint, ...over.checkpoint };
  const slot = await runSlot({ ...setting, ...over, checkpoint });
  running.push(slot);
  return slot;
}

const untilRead = (slot: RunningSlot, records: number): Promise<void> =>
  expect.poll(() => slot.measure().totalIn, { timeout: 60_000, interval: 5 }).toBeGreaterThan(records) as Promise<void>;

/** Checkpoints further and further on, then a crash; the later ones point into the files of the first. */
async function crashed(place: Place, checkpoints = 3): Promise<void> {
  const slot = await start(place);
  await untilRead(slot, KEYS * 4); // what comes at once has come
  for (let i = 0; i < checkpoints; i++) {
    expect(await slot.checkpoint()).toMatchObject({ ok: true });
    await untilRead(slot, slot.measure().totalIn + 10);
  }
  await slot.stop("Cancel", false);
}

const checkpoints = ({ files }: Place): string => join(files, "default/rollup/line-1/checkpoints/e1/s0");
const manifest = (place: Place, id: number): string => join(checkpoints(place), String(id), "manifest.json");
const segments = (place: Place, id: number): string => join(checkpoints(place), String(id), "state-a0.seg");

function flip(path: string): void {
  const bytes = readFileSync(path);
  bytes[20] = (bytes[20] ?? 0) ^ 1;
  writeFileSync(path, bytes);
}
/** Opens, and fails with EIO where it is written, as a bad disk does: nothing is mapped at address 0. */
const BROKEN = "/proc/self/mem";
const cut = (path: string): void => truncateSync(path, Math.floor(statSync(path).size / 2));

describe.each<[string, () => Place]>([
  ["a folder", () => fileAt(folder)],
  ["a bucket", bucket],
])("%s", (_name, make) => {
  it.each<[string, (place: Place) => void, RegExp]>([
    ["a manifest that was cut off", (p) => cut(manifest(p, 3)), /3\/manifest.json is cut off/],
    ["a manifest with a flipped bit", (p) => flip(manifest(p, 3)), /3\/manifest.json/],
    ["entries that were cut off", (p) => cut(segments(p, 3)), /3\/state-a0.seg/],
    ["entries with a flipped bit", (p) => flip(segments(p, 3)), /3\/state-a0.seg does not match its checksum/],
    ["no entries", (p) => rmSync(segments(p, 3)), /3\/state-a0.seg is missing/],
  ])("with %s in its newest checkpoint goes back to the one before and says so", async (_what, damage, words) => {
    const place = make();
    await crashed(place);
    damage(place);
    const warnings: string[] = [];
    const slot = await start(place, { attempt: 1, listener: { warning: (text) => warnings.push(text) } });
    expect(slot.restored?.checkpointId).toBe(2);
    expect(warnings.join()).toMatch(words);
    expect(warnings.join()).toMatch(/went back to checkpoint 2/);
  });

  it("whose newest manifest was never written goes on from the one before", async () => {
    const place = make();
    await crashed(place);
    rmSync(manifest(place, 3));
    expect((await start(place, { attempt: 1 })).restored?.checkpointId).toBe(2);
  });

  it("with damage in the file that all checkpoints point into refuses to start, also to start empty", async () => {
    const place = make();
    await crashed(place);
    expect(readFileSync(manifest(place, 3), "utf8")).toContain("../1/state-a0.seg");
    flip(segments(place, 1));
    const words = /1\/state-a0.seg does not match its checksum.*there is no older checkpoint.*savepoint/;
    await expect(start(place, { attempt: 1 })).rejects.toThrow(words);
    const restore = { kind: "checkpoint", epoch: 1, slots: 1 } as const;
    await expect(start(place, { epoch: 2, restore })).rejects.toThrow(words);
    await expect(start(place, { epoch: 2, restore: { ...restore, acceptReplay: true } })).rejects.toThrow(
      /no whole checkpoint, and there is nothing before it.*acceptEmptyState/,
    );
  });
});

describe("a folder", () => {
  it.skipIf(process.getuid?.() !== 0)(
    "on a full disk fails the checkpoint, and the job goes on and checkpoints when there is room again",
    async () => {
      execFileSync("mount", ["-t", "tmpfs", "-o", "size=400k", "weir-test", folder]);
      try {
        writeFileSync(join(folder, "ballast"), Buffer.alloc(350 * 1024));
        const slot = await start(fileAt(folder));
        await untilRead(slot, KEYS * 2);
        expect(await slot.checkpoint()).toMatchObject({
          ok: false,
          error: expect.stringMatching(/ENOSPC.*has space/) as string,
        });
        await untilRead(slot, slot.measure().totalIn + 10);
        rmSync(join(folder, "ballast"));
        expect(await slot.checkpoint()).toMatchObject({ ok: true });
        await slot.stop("Cancel", false);
        expect(readdirSync(checkpoints(fileAt(folder)))).toEqual(["2"]);
      } finally {
        execFileSync("umount", ["-l", folder]);
      }
    },
  );

  it.skipIf(process.getuid?.() !== 0)("that may only be read is told from one that is missing", async () => {
    execFileSync("mount", ["-t", "tmpfs", "-o", "ro", "weir-test", folder]);
    try {
      await expect(start(fileAt(folder))).rejects.toThrow(/cannot write below file:.*EROFS: read-only file system/);
    } finally {
      execFileSync("umount", ["-l", folder]);
    }
  });

  it("whose disk fails a write fails the checkpoint, and the job goes on and checkpoints when it is mended", async () => {
    const place = fileAt(folder);
    const slot = await start(place);
    mkdirSync(join(checkpoints(place), "1"), { recursive: true });
    symlinkSync(BROKEN, segments(place, 1));
    await untilRead(slot, KEYS * 4);
    expect(await slot.checkpoint()).toMatchObject({ ok: false, error: expect.stringMatching(/EIO/) as string });
    await untilRead(slot, slot.measure().totalIn + 10);
    expect(await slot.checkpoint()).toMatchObject({ ok: true });
    await slot.stop("Cancel", false);
    expect((await start(place, { attempt: 1 })).restored?.checkpointId).toBeGreaterThan(1);
  });

  it("that cannot be read is no reason to take an older checkpoint: it may be read again", async () => {
    const place = fileAt(folder);
    await crashed(place);
    const bytes = readFileSync(manifest(place, 3));
    rmSync(manifest(place, 3));
    mkdirSync(manifest(place, 3)); // opens, and fails when it is read, as a bad disk does
    await expect(start(place, { attempt: 1 })).rejects.toMatchObject({
      code: "CHECKPOINT_UNWRITABLE",
      message: expect.stringMatching(/cannot read below file:.*EISDIR/) as string,
    });
    rmdirSync(manifest(place, 3));
    writeFileSync(manifest(place, 3), bytes);
    expect((await start(place, { attempt: 1 })).restored?.checkpointId).toBe(3);
  });
});

describe("a bucket", () => {
  it("that cuts connections and is too busy is asked again, and the checkpoint succeeds", async () => {
    const slot = await start(bucket());
    faults.inject(/^PUT/, "cut", 2);
    faults.inject(/^PUT/, 503, 1);
    await untilRead(slot, KEYS);
    expect(await slot.checkpoint()).toMatchObject({ ok: true });
  });

  it("that is slow fails the checkpoint by its timeout, and the job checkpoints when it is quick again", async () => {
    const slot = await start(bucket(), { checkpoint: { timeoutMs: 3_000 } });
    await untilRead(slot, KEYS);
    faults.inject(/^PUT .*state-a0/, { waitMs: 15_000 });
    const words = /checkpoint 1 did not finish in 3000 ms; it was waiting for storage s3:/;
    expect(await slot.checkpoint()).toMatchObject({ ok: false, error: expect.stringMatching(words) as string });
    await expect.poll(async () => (await slot.checkpoint()).ok).toBe(true);
  });

  it("that lets a checkpoint appear behind the next one, which is complete, harms none that come after both", async () => {
    const place = bucket();
    const slot = await start(place, { checkpoint: { timeoutMs: 2_000, tolerableFailures: 5 } });
    const goOn = (): Promise<void> => untilRead(slot, slot.measure().totalIn + 10);
    await untilRead(slot, KEYS * 4);
    await expect.poll(async () => (await slot.checkpoint()).ok).toBe(true);
    await goOn();
    faults.inject(/^PUT .*manifest.json/, { waitMs: 6_000 });
    const late = await slot.checkpoint();
    expect(late).toMatchObject({ ok: false });
    await expect.poll(async () => (await slot.checkpoint()).ok).toBe(true);
    await expect.poll(() => existsSync(manifest(place, late.id)), { timeout: 60_000 }).toBe(true);
    await goOn();
    const { id } = await slot.checkpoint();
    await slot.stop("Cancel", false);
    expect((await start(place, { attempt: 1 })).restored?.checkpointId).toBe(id);
  });

  it("that is away when a job comes back is waited for, and the job has its state", async () => {
    const place = bucket();
    await crashed(place);
    faults.inject(/./, "cut", 1_000);
    await expect(start(place, { attempt: 1 })).rejects.toMatchObject({
      code: "CHECKPOINT_UNWRITABLE",
      message: expect.stringMatching(/GET s3:.*cannot reach http/) as string,
    });
    faults.heal();
    expect((await start(place, { attempt: 1 })).restored?.checkpointId).toBe(3);
  });
});
