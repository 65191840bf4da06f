import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { crc32 } from "node:zlib";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { seal } from "./sealed.ts";
import { loadPart, readManifest } from "./snapshot-reader.ts";
import type { SavedShard } from "./snapshot-reader.ts";
import { openStorage, type Storage } from "./storage.ts";

let folder = "";
let storage: Storage;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "weir-foreign-"));
  storage = openStorage(`file://${folder}`, (path) => path);
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const everything = { mine: () => true, hashed: new Set<string>() };

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
    await expect(loadPart(storage, "c", found.manifest, everything)).rejects.toMatchObject({
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

describe("state that is too large to keep from its verification to its restore", () => {
  const MIB = 1024 * 1024;
  const size = 20 * MIB;
  const shard = Buffer.alloc(size, "state");
  const segmentAt = (offset: number) => ({ file: "state.seg", offset, length: size, crc32: crc32(shard) });
  const keyed = [
    { ...keyedNode, shards: [0, 1].map((index) => ({ shard: index, segments: [segmentAt(index * size)] })) },
  ];

  async function loaded(): Promise<[kept: SavedShard, again: SavedShard]> {
    await storage.create("c/manifest.json", seal({ ...manifest(), keyed }));
    await storage.create("c/state.seg", Buffer.concat([shard, shard]));
    const found = await readManifest(storage, "c");
    if (found === undefined) throw new Error("the manifest was not found");
    const { shards } = await loadPart(storage, "c", found.manifest, everything);
    const [first, second] = [0, 1].map((index) => shards.get("k")?.get(index));
    if (first === undefined || second === undefined) throw new Error("a shard is missing");
    return [first, second];
  }

  it("is read again, shard by shard", async () => {
    for (const chunks of await loaded()) expect(Buffer.concat(await chunks()).equals(shard)).toBe(true);
  });

  it("is verified again, too: what was kept is whole, the rest may have been damaged meanwhile", async () => {
    const [kept, again] = await loaded();
    await writeFile(join(folder, "c/state.seg"), Buffer.alloc(2 * size));
    expect(Buffer.concat(await kept()).equals(shard)).toBe(true);
    await expect(again()).rejects.toMatchObject({ code: "CHECKPOINT_CORRUPT" });
  });

  it("is refused before anything is restored where any of it is damaged", async () => {
    await loaded();
    await writeFile(join(folder, "c/state.seg"), Buffer.concat([shard, Buffer.alloc(size)]));
    const found = await readManifest(storage, "c");
    if (found === undefined) throw new Error("the manifest was not found");
    await expect(loadPart(storage, "c", found.manifest, everything)).rejects.toThrow(/bytes 20971520 to 41943040/);
  });
});
