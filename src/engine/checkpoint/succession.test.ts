import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { MANIFEST, slotFolder } from "./layout.ts";
import { newestCheckpoint } from "./newest.ts";
import { findState } from "./restore.ts";
import { seal } from "./sealed.ts";
import { openStorage, type Storage } from "./storage.ts";
import { announce, refuseReplaced } from "./succession.ts";

const worker = (epoch: number, attempt: number, slot = 0) => ({
  namespace: "default",
  job: "rollup",
  jobUid: "uid",
  lineage: "line",
  epoch,
  slot,
  slots: 2,
  attempt,
});
type Worker = ReturnType<typeof worker>;

let folder = "";
let storage: Storage;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "weir-succession-"));
  storage = openStorage(`file://${folder}`, (path) => path);
});
afterEach(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }));

async function checkpoint(by: Worker, id: number): Promise<void> {
  const sinks = [{ node: "out", handle: {} }];
  const facts = { ...by, version: 1, id, takenAt: 1, held: false, planHash: "p", maxParallelism: 1 };
  const manifest = seal({ ...facts, sources: [], keyed: [], sinks });
  expect(await storage.create(`${slotFolder(by)}/${id}/${MANIFEST}`, manifest)).toBe(true);
}
const newest = (by: Worker, epoch: number) =>
  newestCheckpoint({
    storage,
    identity: by,
    decider: undefined,
    follows: true,
    of: { epoch, slot: 0 },
    acceptReplay: false,
  });
const fromEpoch = (by: Worker) =>
  findState({
    storage,
    openStorage: () => storage,
    identity: by,
    restore: { kind: "checkpoint", epoch: 1, slots: 1 },
    follows: true,
  });

describe("a worker that follows another one", () => {
  it("is found by it after its manifest, of a later attempt or epoch, and by no other slot", async () => {
    const old = worker(1, 1);
    await announce(storage, old);
    await announce(storage, old);
    await announce(storage, worker(1, 7, 1));
    await refuseReplaced(storage, old);
    await announce(storage, worker(1, 2));
    await expect(refuseReplaced(storage, old)).rejects.toMatchObject({ code: "WORKER_REFUSED" });
    await expect(refuseReplaced(storage, old)).rejects.toThrow(
      "attempt 2 has followed this worker, attempt 1 of slot 0 in epoch 1: it was replaced",
    );
    await refuseReplaced(storage, worker(1, 2));
    await announce(storage, worker(2, 0, 1));
    await expect(refuseReplaced(storage, worker(1, 2))).rejects.toThrow("epoch 2 has followed");
  });

  it("does not let the one before start again", async () => {
    await announce(storage, worker(1, 2));
    await expect(fromEpoch(worker(1, 1))).rejects.toMatchObject({ code: "WORKER_REFUSED" });
  });

  it("shuts out one that is still about to restore, also where a sink's system decides", async () => {
    const claimed: string[] = [];
    const start = (epoch: number, holdUp = async () => {}) => {
      const committed = async (of: { epoch: number; slot: number }, marked: number | undefined) => {
        claimed.push(`${epoch} of ${of.epoch}/${of.slot}`);
        await holdUp();
        return marked;
      };
      const decider = { node: "out", committed };
      const identity = { ...worker(epoch, 0), slots: 1 };
      return findState({ storage, openStorage: () => storage, identity, restore: { kind: "none" }, decider });
    };
    const [held, goOn] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const old = start(2, async () => {
      held.resolve();
      await goOn.promise;
    });
    await held.promise;
    await start(3);
    goOn.resolve();
    await old;
    expect(claimed).toEqual(["2 of 2/0", "3 of 3/0", "3 of 2/0"]);
    await expect(start(2)).rejects.toMatchObject({ code: "WORKER_REFUSED" });
  });

  it("passes over what a worker wrote after it was replaced, once its successor has written", async () => {
    await checkpoint(worker(1, 1), 3);
    await checkpoint(worker(1, 1), 6);
    expect(await newest(worker(1, 2), 1)).toMatchObject({ id: 6 });
    await checkpoint(worker(1, 2), 4);
    expect(await newest(worker(1, 3), 1)).toMatchObject({
      id: 4,
      part: { unfinished: `${slotFolder(worker(1, 2))}/4` },
    });
  });

  it("starts from the same checkpoint as all workers of its epoch, whatever is written meanwhile", async () => {
    await checkpoint(worker(1, 0), 3);
    expect((await fromEpoch(worker(2, 0)))?.parts[0]?.manifest.id).toBe(3);
    await checkpoint(worker(1, 0), 4);
    expect((await fromEpoch(worker(2, 0, 1)))?.parts[0]?.manifest.id).toBe(3);
    expect((await newest(worker(3, 0), 1))?.id).toBe(3);
  });
});
