import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { seal } from "./sealed.ts";
import { loadPart, readManifest } from "./snapshot-reader.ts";
import { openStorage, type Storage } from "./storage.ts";

let folder = "";
let storage: Storage;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "weir-foreign-"));
  storage = openStorage(`file://${folder}`, (path) => path);
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const facts = { namespace: "n", job: "j", jobUid: "u", lineage: "l", planHash: "h" };
const place = { epoch: 1, attempt: 0, slot: 0, slots: 1, id: 1, takenAt: 0, maxParallelism: 4 };
const segment = { file: "state.seg", offset: 0, length: 2 ** 50, crc32: 0 };
const keyedNode = { node: "k", stateVersion: 1, stateSignature: "s", watermark: null };
const manifest = (segments: readonly object[] = []) => ({
  version: 1,
  ...facts,
  ...place,
  sources: [],
  keyed: [{ ...keyedNode, shards: [{ shard: 0, segments }] }],
  sinks: [],
});

describe("a manifest that Weir did not write", () => {
  it("cannot make a worker ask for more memory than the file has bytes", async () => {
    await storage.create("c/manifest.json", seal(manifest([segment])));
    await storage.create("c/state.seg", Buffer.from("little"));
    const found = await readManifest(storage, "c");
    if (found === undefined) throw new Error("the manifest was not found");
    await expect(loadPart(storage, "c", found.manifest, () => true)).rejects.toMatchObject({
      code: "CHECKPOINT_CORRUPT",
      message: expect.stringMatching(/state\.seg is cut off/) as string,
    });
  });

  it("is not read when it is too large", async () => {
    await storage.create("c/manifest.json", Buffer.alloc(64 * 1024 * 1024 + 1, " "));
    await expect(readManifest(storage, "c")).rejects.toMatchObject({
      code: "CHECKPOINT_CORRUPT",
      message: expect.stringMatching(/manifest\.json is larger than 67108864 bytes/) as string,
    });
  });

  it.each([
    ["a file elsewhere", manifest([{ ...segment, file: "../../etc/passwd" }]), /segments\.0\.file/],
    ["a name without end", { ...manifest(), job: "x".repeat(5_000) }, /wrong field job/],
    ["a negative shard", { ...manifest(), keyed: [{ ...keyedNode, shards: [{ shard: -1, segments: [] }] }] }, /shard/],
    ["another shape", { version: 1, keyed: {} }, /wrong field/],
  ])("is refused with %s", async (_what, body, message) => {
    await storage.create("c/manifest.json", seal(body));
    await expect(readManifest(storage, "c")).rejects.toMatchObject({
      code: "CHECKPOINT_CORRUPT",
      message: expect.stringMatching(message) as string,
    });
  });
});
