import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { openStorage, type Storage } from "./storage.ts";

let folder = "";
let space = 0;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "weir-storage-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const kinds: readonly [string, () => Storage][] = [
  ["a folder", () => openStorage(`file://${folder}/a/b/`, (path) => path)],
  ["memory", () => openStorage(`memory://storage-${space++}`, (path) => path)],
];

describe.each(kinds)("%s as storage", (_name, make) => {
  const bytes = (text: string): Buffer => Buffer.from(text);

  it("gives back what was created, whole or in ranges", async () => {
    const storage = make();
    expect(await storage.create("x/y/z.json", bytes("hello"))).toBe(true);
    expect(await storage.read("x/y/z.json")).toEqual(bytes("hello"));
    expect(await storage.read("x/y/z.json", { offset: 1, length: 3 })).toEqual(bytes("ell"));
    expect(await storage.read("x/y/z.json", { offset: 3, length: 9 })).toEqual(bytes("lo"));
    expect(await storage.read("x/y/z.json", { offset: 3, length: 2 ** 50 })).toEqual(bytes("lo"));
    expect(await storage.read("x/y/z.json", { offset: 2 ** 50, length: 3 })).toEqual(bytes(""));
    expect(await storage.read("x/none")).toBeUndefined();
  });

  it("lets exactly one of many creators win, and keeps the winner's bytes", async () => {
    const storage = make();
    const won = await Promise.all(Array.from({ length: 8 }, (_, i) => storage.create("manifest", bytes(String(i)))));
    expect(won.filter(Boolean).length).toBe(1);
    expect((await storage.read("manifest"))?.toString()).toBe(String(won.indexOf(true)));
  });

  it("writes an object in pieces that the writer may reuse", async () => {
    const storage = make();
    const writer = await storage.writer("d/state.seg");
    const piece = bytes("aa");
    await writer.write(piece);
    piece.fill("b");
    await writer.write(piece);
    await writer.close();
    expect((await storage.read("d/state.seg"))?.toString()).toBe("aabb");
  });

  it("lists what is directly below, and removes a folder with all of it", async () => {
    const storage = make();
    for (const path of ["s/1/m", "s/1/n", "s/2/m"]) await storage.create(path, bytes("."));
    expect([...(await storage.list("s"))].toSorted()).toEqual(["1", "2"]);
    await storage.remove("s/1");
    await storage.remove("s/never");
    expect(await storage.list("s")).toEqual(["2"]);
    expect(await storage.list("nothing")).toEqual([]);
  });
});

describe("a storage URI", () => {
  it("leaves no drafts behind in a folder", async () => {
    const storage = openStorage(`file://${folder}`, (path) => path);
    await storage.create("m", Buffer.from("1"));
    await storage.create("m", Buffer.from("2"));
    expect(await readdir(folder)).toEqual(["m"]);
  });

  it("of a scheme that is not there yet is refused by name", () => {
    expect(() => openStorage("s3://bucket/x", (path) => path)).toThrow(
      /storage "s3" of s3:\/\/bucket\/x is not there yet/,
    );
  });
});
