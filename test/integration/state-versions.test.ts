/** A Weir whose nodes save their state in another form restores what an older one wrote, and refuses what it cannot read. */
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import type { RestorePoint } from "../../src/api/worker-protocol.ts";
import type { RunningSlot } from "../../src/engine/runtime/slot.ts";
import { collected, type Collected } from "../builders/collected-sink.ts";
import { everyKindOfState } from "../builders/every-kind-of-state.ts";
import { runSlot, stopWithSavepoint } from "../builders/running-slot.ts";
import { compileIn, type Version } from "../builders/versioned-program.ts";
import { rocksFolder } from "../servers/rocksdb.ts";

const rocks = rocksFolder();
const FIRST: Version = { version: 1, from: [] };
const nodes = everyKindOfState.plan.nodes.flatMap((n) => ("keying" in n && n.name !== "own" ? [n.name] : []));

interface Run {
  readonly out: Collected;
  readonly uri: string;
  readonly of: Version;
  readonly epoch?: number;
  readonly attempt?: number;
  readonly restore?: RestorePoint;
  readonly slots?: number;
  readonly slot?: number;
}

let runs = 0;
function start(backend: "Memory" | "RocksDB", { out, of, ...run }: Run) {
  const rocksdb = backend === "Memory" ? {} : { rocksdb: { memoryBytes: 16 * 1024 * 1024 } };
  return runSlot({
    ...everyKindOfState,
    ...run,
    connectors: out.connectors,
    build: compileIn(of),
    stateFolder: join(rocks.path, String(runs++)),
    start: { paused: true, ...rocksdb },
    checkpoint: { timeoutMs: 120_000 },
  });
}

/** Until it has read some more; far more are left. */
async function aMoment(slot: RunningSlot): Promise<void> {
  const before = slot.measure().totalIn;
  while (slot.measure().totalIn === before) await new Promise((resolve) => setImmediate(resolve));
}

let expected: string[] = [];
beforeAll(async () => {
  const out = collected();
  const slot = await start("Memory", { out, uri: "memory://versions-undisturbed", of: FIRST });
  slot.resume();
  await slot.done;
  expected = out.lines.toSorted();
});

describe.each(["Memory", "RocksDB"] as const)("state of an older version, in %s", (backend) => {
  it("of a savepoint goes through every migration once, whatever the number of workers, and gives the same rows", async () => {
    const out = collected();
    const uri = `memory://versions-${backend}-savepoint`;
    const slot = await start(backend, { out, uri, of: FIRST });
    slot.resume();
    await aMoment(slot);
    const restore = await stopWithSavepoint([slot], `${uri}/savepoint`);
    const migrated = new Map<string, Set<number>>();
    const onMigrated = (node: string, from: number) => migrated.set(node, (migrated.get(node) ?? new Set()).add(from));
    const third: Version = { version: 3, from: [1, 2], onMigrated };
    const open = (_: unknown, at: number) =>
      start(backend, { out, uri, of: third, epoch: 2, restore, slots: 2, slot: at });
    const running = await Promise.all(Array.from({ length: 2 }, open));
    for (const next of running) next.resume();
    await Promise.all(running.map((next) => next.done));
    expect(Object.fromEntries(migrated)).toEqual(Object.fromEntries(nodes.map((node) => [node, new Set([1, 2])])));
    const rows = out.lines.toSorted();
    expect(rows.length).toBe(expected.length);
    expect(rows.find((row, i) => row !== expected[i])).toBeUndefined();
  });

  it("of a checkpoint with increments is migrated, and the checkpoints after it are of the new version", async () => {
    const out = collected();
    const uri = `memory://versions-${backend}-checkpoint`;
    const slot = await start(backend, { out, uri, of: FIRST });
    slot.resume();
    for (let n = 0; n < 2; n++) {
      await aMoment(slot);
      expect((await slot.checkpoint()).ok).toBe(true);
    }
    await slot.stop("Cancel", false);
    let migrated = 0;
    const second: Version = { version: 2, from: [1], onMigrated: () => migrated++ };
    for (const attempt of [1, 2]) {
      migrated = 0;
      const next = await start(backend, { out, uri, of: second, attempt });
      expect(next.restored).not.toBeNull();
      expect(migrated > 0).toBe(attempt === 1);
      next.resume();
      await aMoment(next);
      expect((await next.checkpoint()).ok).toBe(true);
      if (attempt === 1) await next.stop("Cancel", false);
      else await next.done;
    }
    // What came after a checkpoint came again: the same rows, some of them twice.
    const [rows, wanted] = [new Set(out.lines), new Set(expected)];
    expect([...rows].find((row) => !wanted.has(row))).toBeUndefined();
    expect(rows.size).toBe(wanted.size);
  });

  it.each<[what: string, wrote: Version, reads: Version, says: RegExp]>([
    [
      "is newer",
      { version: 3, from: [] },
      { version: 2, from: [1] },
      /node \w+ has state of version 3, this worker reads up to 2; run a newer Weir/,
    ],
    [
      "is older than all that its reader migrates",
      FIRST,
      { version: 3, from: [2] },
      /node \w+ has state of version 1, this worker reads from 2 on; run the Weir that wrote it/,
    ],
  ])("is refused with the way out where it %s, and stays as it was", async (_what, wrote, reads, says) => {
    const out = collected();
    const uri = `memory://versions-${backend}-${wrote.version}-${reads.version}`;
    const slot = await start(backend, { out, uri, of: wrote });
    slot.resume();
    await aMoment(slot);
    const restore = await stopWithSavepoint([slot], `${uri}/savepoint`);
    const refused = start(backend, { out, uri, of: reads, epoch: 2, restore });
    await expect(refused).rejects.toMatchObject({
      code: "RESTORE_REFUSED",
      message: expect.stringMatching(says) as string,
    });
    const again = await start(backend, { out, uri, of: wrote, epoch: 3, restore });
    expect(again.restored).not.toBeNull();
    await again.stop("Cancel", false);
  });
});
