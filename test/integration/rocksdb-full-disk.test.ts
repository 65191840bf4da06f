import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { Database } from "../../src/engine/rocksdb/database.ts";
import { rocksState } from "../../src/engine/rocksdb/database.ts";
import { PackedWrites, wholeOf } from "../../src/engine/rocksdb/packed-writes.ts";
import { rocksFolder } from "../servers/rocksdb.ts";

const rocks = rocksFolder();
const MIB = 1024 * 1024;

/** More than the disk holds; RocksDB writes it out meanwhile. */
function fill(database: Database): void {
  const writes = new PackedWrites();
  for (let i = 0; i < 1_000; i++) {
    writes.value(wholeOf(Buffer.from(`key-${i}`)), 1, randomBytes(64 * 1024));
    database.write(writes);
  }
}

describe("state in RocksDB", () => {
  it.skipIf(process.getuid?.() !== 0)("says which disk is full, and what helps", () => {
    const folder = join(rocks.path, "small");
    mkdirSync(folder);
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=12m", "weir-test", folder]);
    try {
      const state = rocksState({ folder, memoryBytes: 4 * MIB, nodes: 1 });
      const database = state.open("node");
      const empty = state.disk();
      expect(empty).toMatchObject({ size: 12 * MIB, used: 0 });
      const message = expect.stringMatching(
        /No space left.*disk below \S+small is full: mount a volume there/,
      ) as string;
      expect(() => fill(database)).toThrow(expect.objectContaining({ code: "STATE_UNWRITABLE", message }));
      const { size = 0, free = 0, used = 0 } = state.disk() ?? {};
      expect(free).toBeLessThan((empty?.free ?? 0) - MIB);
      expect(used).toBeGreaterThan(MIB);
      expect(used + free).toBeLessThanOrEqual(size);
      state.close();
      expect(state.disk()).toBeUndefined();
    } finally {
      execFileSync("umount", ["-l", folder]);
      rmSync(folder, { recursive: true });
    }
  });

  it("says where its files are when something else is wrong with them", () => {
    const folder = join(rocks.path, "taken");
    const state = rocksState({ folder, memoryBytes: 4 * MIB, nodes: 1 });
    writeFileSync(join(folder, "rocksdb", "0"), "a file where the database's folder should be");
    expect(() => state.open("node")).toThrow(/^state\.backend RocksDB: IO error.*\(files below \S+taken\)$/);
    state.close();
  });

  it("says nothing of a disk whose folder has gone", () => {
    const folder = join(rocks.path, "gone");
    const state = rocksState({ folder, memoryBytes: 4 * MIB, nodes: 1 });
    state.open("node");
    expect(state.disk()).toMatchObject({ used: 0 });
    rmSync(folder, { recursive: true });
    expect(state.disk()).toBeUndefined();
    state.close();
  });
});
