import { mkdirSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import type { RestorePoint } from "../../src/api/worker-protocol.ts";
import { compile } from "../../src/engine/codegen/compile.ts";
import { loadAddon } from "../../src/engine/rocksdb/addon.ts";
import { rocksState } from "../../src/engine/rocksdb/database.ts";
import { collected, type Collected } from "../builders/collected-sink.ts";
import { everyKind, everyKindOfState } from "../builders/every-kind-of-state.ts";
import { runSlot, stopWithSavepoint } from "../builders/running-slot.ts";
import { rocksFolder } from "../servers/rocksdb.ts";

const rocks = rocksFolder();
/** Less than the state takes: entries go to the database and come back all the time. */
const rocksdb = { memoryBytes: 256 * 1024 };
const turns = async (n: number): Promise<void> => {
  for (let i = 0; i < n; i++) await new Promise((resolve) => setImmediate(resolve));
};

interface Worker {
  readonly out: Collected;
  readonly uri: string;
  readonly backend: "Memory" | "RocksDB";
  /** By the splits of the source, if it is not said. */
  readonly keys?: "hashed";
  readonly slots?: number;
  readonly slot?: number;
  readonly epoch?: number;
  readonly attempt?: number;
  readonly restore?: RestorePoint;
}

const folderOf = (uri: string, slot = 0): string => join(rocks.path, `${uri.slice("memory://".length)}-${slot}`);

function start({ out, backend, keys, ...of }: Worker) {
  const rocksOf = backend === "Memory" ? {} : { rocksdb };
  const stateFolder = folderOf(of.uri, of.slot);
  // Nobody runs ahead while another worker starts.
  const paused = { paused: true, ...rocksOf };
  const kinds = keys === undefined ? everyKindOfState : everyKind({ keys });
  const how = { ...kinds, connectors: out.connectors, build: compile };
  // A busy machine takes long for a checkpoint of all kinds with so little memory.
  return runSlot({ ...how, ...of, stateFolder, start: paused, checkpoint: { timeoutMs: 120_000 } });
}

let expected: string[] = [];
beforeAll(async () => {
  const out = collected();
  const slot = await start({ out, uri: "memory://undisturbed", backend: "Memory" });
  slot.resume();
  await slot.done;
  expected = out.lines.toSorted();
});

describe("a slot whose state is in RocksDB", () => {
  it("gives the rows of one in memory, over changes of the backend and of the number of workers", async () => {
    const out = collected();
    const uri = "memory://backends";
    let restore: RestorePoint = { kind: "none" };
    const moves = [
      { backend: "RocksDB", slots: 1 },
      { backend: "Memory", slots: 2 },
      { backend: "RocksDB", slots: 3 },
      { backend: "RocksDB", slots: 1 },
    ] as const;
    for (const [i, { backend, slots }] of moves.entries()) {
      const open = (slot: number) => start({ out, uri, backend, slots, slot, epoch: i + 1, restore });
      const running = await Promise.all(Array.from({ length: slots }, (_, slot) => open(slot)));
      for (const slot of running) slot.resume();
      if (i === moves.length - 1) {
        await Promise.all(running.map((slot) => slot.done));
        break;
      }
      await turns(1);
      restore = await stopWithSavepoint(running, `${uri}/savepoint-${i}`);
    }
    const rows = out.lines.toSorted();
    expect(rows.length).toBe(expected.length);
    expect(rows.find((row, i) => row !== expected[i])).toBeUndefined();
    expect(readdirSync(folderOf(uri))).toEqual([]);
  });

  it.each([
    ["RocksDB", "RocksDB", "savepoint"],
    ["RocksDB", "RocksDB", "checkpoint"],
    ["RocksDB", "Memory", "checkpoint"],
    ["Memory", "RocksDB", "savepoint"],
  ] as const)("goes from keys by split in %s to keys by their hash in %s, by a %s", async (before, after, from) => {
    const out = collected();
    const uri = `memory://keying-${before}-${after}-${from}`;
    const first = await start({ out, uri, backend: before });
    first.resume();
    let restore: RestorePoint = { kind: "checkpoint", epoch: 1, slots: 1 };
    await turns(1);
    // The second has only what has changed since.
    expect((await first.checkpoint()).ok).toBe(true);
    await turns(1);
    first.pause();
    expect((await first.checkpoint()).ok).toBe(true);
    if (from === "savepoint") restore = await stopWithSavepoint([first], `${uri}/savepoint`);
    else await first.stop("Cancel", false);
    const second = await start({ out, uri, backend: after, keys: "hashed", epoch: 2, restore });
    second.resume();
    await second.done;
    const rows = out.lines.toSorted();
    expect(rows.find((row, i) => row !== expected[i])).toBeUndefined();
    expect(rows.length).toBe(expected.length);
  });

  it("starts from its checkpoint, whatever the files of the process before are worth", async () => {
    const out = collected();
    const uri = "memory://damaged";
    for (let attempt = 0; attempt < 4; attempt++) {
      const slot = await start({ out, uri, backend: "RocksDB", attempt });
      expect(slot.restored === null).toBe(attempt === 0);
      slot.resume();
      await turns(1);
      const { ok, error } = await slot.checkpoint();
      expect({ ok, error }).toEqual({ ok: true, error: undefined });
      await turns(1);
      await slot.stop("Cancel", false);
      const folder = folderOf(uri);
      expect(readdirSync(folder)).toEqual([]);
      // As after a crash, and with a disk that lies.
      mkdirSync(join(folder, "rocksdb/0"), { recursive: true });
      for (const name of ["CURRENT", "MANIFEST-000005", "000012.sst"])
        writeFileSync(join(folder, "rocksdb/0", name), "nonsense");
    }
    const last = await start({ out, uri, backend: "RocksDB", attempt: 4 });
    expect(readdirSync(join(folderOf(uri), "rocksdb/0"))).not.toContain("000012.sst");
    last.resume();
    await last.done;
    // What came after a checkpoint came again: the same rows, some of them twice.
    const [rows, wanted] = [new Set(out.lines), new Set(expected)];
    expect([...rows].find((row) => !wanted.has(row))).toBeUndefined();
    expect(rows.size).toBe(wanted.size);
  });
});

it("leaves its folder alone, which may be a mounted volume that cannot be removed, and what else is in it", () => {
  const folder = join(rocks.path, "volume");
  mkdirSync(join(folder, "lost+found"), { recursive: true });
  const mounted = statSync(folder).ino;
  for (const _ of [1, 2]) {
    const state = rocksState({ folder, memoryBytes: 1024 * 1024, nodes: 1 });
    state.open("node");
    expect(readdirSync(folder)).toEqual(["lost+found", "rocksdb"]);
    state.close();
    expect(readdirSync(folder)).toEqual(["lost+found"]);
  }
  expect(statSync(folder).ino).toBe(mounted);
});

it("says which file is missing and what to do where there is no addon", () => {
  expect(() => loadAddon(["./nowhere.node"])).toThrow(
    /rocksdb\/nowhere\.node.*ROCKSDB=0.*make rocksdb.*state\.backend/,
  );
  const broken = join(rocks.path, "broken.node");
  writeFileSync(broken, "no library");
  expect(() => loadAddon([`file://${broken}`])).toThrow(/does not load on this system.*make rocksdb/);
});
