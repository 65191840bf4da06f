import { describe, expect, it } from "vitest";
import type { Storage } from "../../src/engine/checkpoint/storage.ts";

const bytes = (text: string): Buffer => Buffer.from(text);

/** What every storage keeps; `open` gives the storage of a new place, or of one that was there. */
export function storageContract(name: string, open: (place: string) => Storage): void {
  let nth = 0;
  const make = (): Storage => open(`place-${nth++}`);

  describe(`${name} as storage`, () => {
    it("gives back what was created, whole or in ranges", async () => {
      const storage = make();
      expect(await storage.create("x/y/z.json", bytes("hello"))).toBe(true);
      expect(await storage.read("x/y/z.json")).toEqual(bytes("hello"));
      expect(await storage.read("x/y/z.json", { offset: 1, length: 3 })).toEqual(bytes("ell"));
      expect(await storage.read("x/y/z.json", { offset: 3, length: 9 })).toEqual(bytes("lo"));
      expect(await storage.read("x/y/z.json", { offset: 3, length: 2 ** 50 })).toEqual(bytes("lo"));
      expect(await storage.read("x/y/z.json", { offset: 2 ** 50, length: 3 })).toEqual(bytes(""));
      expect(await storage.read("x/y/z.json", { offset: 1, length: 0 })).toEqual(bytes(""));
    });

    it("says of an object or folder that is not there that it is not there", async () => {
      const storage = make();
      expect(await storage.read("x/none")).toBeUndefined();
      expect(await storage.read("x/none", { offset: 0, length: 5 })).toBeUndefined();
      expect(await storage.list("nothing")).toEqual([]);
      await storage.create("here", bytes("1"));
      expect(await storage.read("here/below")).toBeUndefined();
    });

    it("lets exactly one of 100 racing creators win, and keeps the winner's bytes", async () => {
      const storage = make();
      const won = await Promise.all(
        Array.from({ length: 100 }, (_, i) => storage.create("manifest", bytes(String(i)))),
      );
      expect(won.filter(Boolean).length).toBe(1);
      expect((await storage.read("manifest"))?.toString()).toBe(String(won.indexOf(true)));
    });

    it("writes an object in pieces that the writer may reuse, in place of a leftover", async () => {
      const storage = make();
      for (const text of ["aabb", "ccdd"]) {
        const writer = await storage.writer("d/state.seg");
        const piece = bytes(text.slice(0, 2));
        await writer.write(piece);
        piece.set(bytes(text.slice(2)));
        await writer.write(piece);
        await writer.close();
        expect((await storage.read("d/state.seg"))?.toString()).toBe(text);
      }
    });

    it("writes an object of 20 MiB", async () => {
      const storage = make();
      const writer = await storage.writer("large.seg");
      for (let i = 0; i < 20; i++) await writer.write(Buffer.alloc(1024 * 1024, i));
      await writer.close();
      expect((await storage.read("large.seg", { offset: 19 * 2 ** 20 - 2, length: 4 }))?.toJSON().data).toEqual([
        18, 18, 19, 19,
      ]);
      expect((await storage.read("large.seg"))?.length).toBe(20 * 2 ** 20);
    });

    it("leaves nothing that could be read of an object that was given up", async () => {
      const storage = make();
      const writer = await storage.writer("given-up/state.seg");
      for (let i = 0; i < 9; i++) await writer.write(Buffer.alloc(1024 * 1024, i));
      await writer.abandon();
      await storage.remove("given-up");
      expect(await storage.list("given-up")).toEqual([]);
    });

    it("lists what is directly below, and removes a folder with all of it and nothing else", async () => {
      const storage = make();
      for (const path of ["s/1/m", "s/1/n/o", "s/2/m", "s/10/m", "s/f"]) await storage.create(path, bytes("."));
      expect([...(await storage.list("s"))].toSorted()).toEqual(["1", "10", "2", "f"]);
      await storage.remove("s/1");
      await storage.remove("s/f");
      await storage.remove("s/never");
      expect([...(await storage.list("s"))].toSorted()).toEqual(["10", "2"]);
      expect(await storage.read("s/10/m")).toEqual(bytes("."));
    });

    it("lists and removes 1,100 folders", async () => {
      const storage = make();
      const ids = Array.from({ length: 1_100 }, (_, i) => String(i));
      for (let i = 0; i < ids.length; i += 50)
        await Promise.all(ids.slice(i, i + 50).map((id) => storage.create(`many/${id}/m`, bytes(id))));
      expect([...(await storage.list("many"))].toSorted()).toEqual(ids.toSorted());
      await storage.remove("many");
      expect(await storage.list("many")).toEqual([]);
    });

    it("finds the same objects from a folder further down, unless they end with the process", async () => {
      const place = `place-${nth++}`;
      if (!open(place).durable) return;
      await open(place).create("a/b", bytes("1"));
      expect(await open(`${place}/a`).read("b")).toEqual(bytes("1"));
    });

    it("takes names with anything in them", async () => {
      const storage = make();
      for (const name of ["a b", "ä+ö", "100%", "q?x=1&y", "'(x)*!"]) {
        await storage.create(`odd/${name}`, bytes(name));
        expect((await storage.read(`odd/${name}`))?.toString()).toBe(name);
      }
      expect([...(await storage.list("odd"))].toSorted()).toEqual(["'(x)*!", "100%", "a b", "q?x=1&y", "ä+ö"]);
    });
  });
}
