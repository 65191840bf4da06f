import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Manifest } from "./manifest.ts";
import { COMPLETED, MANIFEST, slotFolder } from "./layout.ts";
import { newestCheckpoint, type Decider } from "./newest.ts";
import { seal } from "./sealed.ts";
import { openStorage, type Storage } from "./storage.ts";

const identity = {
  namespace: "default",
  job: "rollup",
  jobUid: "uid",
  lineage: "line",
  epoch: 2,
  slot: 0,
  slots: 1,
  attempt: 0,
};
const of = { epoch: 2, slot: 0 };
const decides: Manifest["sinks"] = [{ node: "out", handle: { transactionalId: "weir.line.2.0" }, decides: true }];

let folder = "";
let storage: Storage;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "weir-newest-"));
  storage = openStorage(`file://${folder}`, (path) => path);
});
afterEach(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }));

const at = (id: number, file: string): string => `${slotFolder(identity)}/${id}/${file}`;

async function checkpoint(id: number, { sinks = decides, completed = true } = {}): Promise<void> {
  const { attempt, ...who } = identity;
  const manifest = { ...who, version: 1, attempt, id, takenAt: 1, held: false, planHash: "p", maxParallelism: 1 };
  await storage.create(at(id, MANIFEST), seal({ ...manifest, sources: [], keyed: [], sinks }));
  if (completed) await storage.create(at(id, COMPLETED), Buffer.from("{}\n"));
}

/** What the outside says was committed last, and what it was told of the marks. */
function outside(committed: number | undefined): Decider & { readonly told: (number | undefined)[] } {
  const told: (number | undefined)[] = [];
  return {
    node: "out",
    told,
    committed: (_of, marked) => {
      told.push(marked);
      return Promise.resolve(committed);
    },
  };
}

const newest = (decider: Decider | undefined, acceptReplay = false) =>
  newestCheckpoint({ storage, identity, decider, of, acceptReplay });

describe("the checkpoint to go on from", () => {
  it("is the one that the sink's system committed, and not a newer one beside it", async () => {
    await checkpoint(3);
    await checkpoint(4, { completed: false });
    expect(await newest(outside(3))).toMatchObject({ id: 3 });
    expect(await newest(outside(4))).toMatchObject({ id: 4 });
  });

  it("is none where nothing was committed, whatever lies there", async () => {
    await checkpoint(1, { completed: false });
    expect(await newest(outside(0))).toBeUndefined();
  });

  it("is known to the system by the marks when it has forgotten, and by nobody behind an unfinished one", async () => {
    const [empty, completed, unfinished] = [outside(undefined), outside(undefined), outside(undefined)];
    expect(await newest(empty)).toBeUndefined();
    await checkpoint(1);
    expect(await newest(completed)).toMatchObject({ id: 1 });
    await checkpoint(2, { completed: false });
    await expect(newest(unfinished)).rejects.toThrow("weir.line.2.0");
    expect([empty, completed, unfinished].map((d) => d.told)).toEqual([[0], [1], [undefined]]);
  });

  it("puts delivery at risk where nobody knows, until the user accepts that output is written again", async () => {
    await checkpoint(1);
    await checkpoint(2, { completed: false });
    for (const decider of [outside(undefined), undefined]) {
      await expect(newest(decider)).rejects.toMatchObject({ code: "DELIVERY_AT_RISK" });
      expect(await newest(decider, true)).toMatchObject({ id: 1, fellBack: expect.stringContaining("2") as string });
    }
  });

  it("is not an older one than what was committed, until the user accepts it", async () => {
    await checkpoint(1);
    await checkpoint(2);
    await storage.remove(at(2, MANIFEST));
    await expect(newest(outside(2))).rejects.toMatchObject({ code: "CHECKPOINT_CORRUPT" });
    expect(await newest(outside(2), true)).toMatchObject({ id: 1 });
  });

  it("is the newest where no sink decides", async () => {
    await checkpoint(1, { sinks: [], completed: false });
    await checkpoint(2, { sinks: [{ node: "file", handle: {} }], completed: false });
    expect(await newest(undefined)).toMatchObject({ id: 2 });
  });
});
