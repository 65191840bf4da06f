import { describe, expect, it } from "vitest";
import {
  advance,
  declared,
  hashed,
  increments,
  partOf,
  send,
  stateOf,
  wholeOf,
} from "../../../test/builders/divided-state.ts";
import type { Chunks, Rig, Row } from "../../../test/builders/divided-state.ts";
import type { CellLayout } from "../windows/cells.ts";
import { CHUNK_HEADER } from "../windows/chunk-writer.ts";
import { eachSession } from "../windows/session-codec.ts";

describe("rows of a join that are shared out anew", () => {
  const outer = {
    join: {
      interval: { before: "5s", after: "5s" },
      type: "Outer",
      leftKey: "left.k",
      rightKey: "right.k",
      select: { k: "left.k", ts: "left.ts" },
    },
  } as const;

  it("have had their result where their worker has given it, and have it once where it has not", async () => {
    const [first, second] = [declared(outer), declared(outer)];
    send(
      first,
      0,
      [10_000, 30_000].map((ts) => ({ k: "a", ts, of: "left" })),
    );
    send(
      second,
      1,
      [10_000, 30_000].map((ts) => ({ k: "b", ts, of: "left" })),
    );
    advance(first, 20_000);
    advance(second, 8_000);
    expect(first.take().map(({ k }) => k)).toEqual(["a"]);
    const rig = await hashed(outer, [partOf(first), partOf(second)]);
    send(rig, 1, [{ k: "b", ts: 12_000, of: "right" }], "others");
    expect(rig.take().length).toBe(1);
    advance(rig, 60_000);
    const rows = rig.take().map(({ k, ts }) => `${String(k)} ${String(ts)}`);
    expect(rows.toSorted()).toEqual(["a 30000", "b 30000"]);
  });

  it("have had their result where a checkpoint has them for the sake of others", async () => {
    const [first, second] = [declared(outer), declared(outer)];
    const done = Array.from({ length: 3_000 }, (_, i) => ({ k: `key-${i}`, ts: 10_000 }));
    send(first, 0, [...done, { k: "a", ts: 10_001 }]);
    send(second, 1, [{ k: "b", ts: 10_000 }]);
    advance(first, 15_000);
    advance(second, 9_000);
    expect(first.take().length).toBe(done.length);
    const saved = increments(first)(0);
    expect(saved.reduce((rows, chunk) => rows + chunk.readUInt32LE(8), 0)).toBe(done.length + 1);
    const rig = await hashed(outer, [partOf(first, new Map([[0, saved]])), partOf(second)]);
    // Of a row that was late for its worker, and is not late any more.
    send(rig, 0, [{ k: "key-0", ts: 12_000 }], "others");
    expect(rig.take()).toEqual([]);
    advance(rig, 60_000);
    expect(rig.take().map(({ k }) => k)).toEqual(["b", "a", null]);
  });

  it("have had a partner where an increment says so of their place", async () => {
    const [first, second] = [declared(outer), declared(outer)];
    const keys = Array.from({ length: 3_000 }, (_, i) => `key-${i}`);
    const parts = [first, second].map((rig, split) => {
      const taken = increments(rig);
      const rows = keys.map((k) => ({ k: `${k}-${split}`, ts: 10_000 }));
      send(rig, split, rows);
      const whole = taken(split).length;
      const even = rows.filter((_, i) => i % 2 === 0);
      send(rig, split, even, "others");
      const newest = taken(split);
      expect(newest.length).toBeGreaterThan(whole);
      return partOf(rig, new Map([[split, newest]]));
    });
    const rig = await hashed(outer, parts);
    advance(rig, 60_000);
    const alone = [0, 1].flatMap((split) => keys.filter((_, i) => i % 2 === 1).map((k) => `${k}-${split}`));
    expect(
      rig
        .take()
        .map(({ k }) => String(k))
        .toSorted(),
    ).toEqual(alone.toSorted());
  });
});

describe("sessions that are shared out anew", () => {
  const sessions = { aggregate: { n: "count()" }, window: { session: { gap: "100ms" }, allowedLateness: "1s" } };
  const keysOf = (split: number): string[] => Array.from({ length: 1_200 }, (_, i) => `key-${i}-${split}`);
  const perKey = (rows: readonly Row[]): Record<string, string> =>
    Object.fromEntries(
      rows.map(({ k, n, windowStart, windowEnd }) => [k, [n, "in", windowStart, "to", windowEnd].join(" ")]),
    );

  it("are told apart where several workers gave them the same numbers, and later checkpoints only those", async () => {
    const parts = [0, 1].map((split) => {
      const rig = declared(sessions);
      const taken = increments(rig);
      const keys = keysOf(split);
      const at = (from: number, to: number, ts: number): void =>
        send(
          rig,
          split,
          keys.slice(from, to).map((k) => ({ k, ts })),
        );
      at(0, 10, 900);
      at(10, 1_200, 3_000);
      at(20, 30, 3_150);
      const whole = taken(split).length;
      at(20, 30, 3_080);
      at(30, 40, 3_050);
      send(rig, split, [{ k: `new-${split}`, ts: 3_000 }]);
      advance(rig, 2_100);
      expect(taken(split).length).toBeGreaterThan(whole);
      send(rig, split, [{ k: `new-${split}`, ts: 3_010 }]);
      return partOf(rig, new Map([[split, taken(split)]]));
    });
    const rig = await hashed(sessions, parts);
    expect(stateOf(rig).size()).toBe(2 * 1_191);
    advance(rig, 60_000);
    const expected = [0, 1].flatMap((split) => [
      ...keysOf(split)
        .slice(10)
        .map((k, i) => [
          k,
          i < 10 || i >= 30 ? "1 in 3000 to 3100" : i < 20 ? "3 in 3000 to 3250" : "2 in 3000 to 3150",
        ]),
      [`new-${split}`, "2 in 3000 to 3110"],
    ]);
    expect(perKey(rig.take())).toEqual(Object.fromEntries(expected));
  });

  it("may have been saved by an older version, which gave them no numbers", async () => {
    const parts = [0, 1].map((split) => {
      const rig = declared(sessions);
      const keys = keysOf(split);
      send(
        rig,
        split,
        keys.map((k) => ({ k, ts: 3_000 })),
      );
      const whole = wholeOf(rig);
      const part = partOf(rig, split === 0 ? whole : unnumbered(rig, whole));
      return split === 0 ? part : { ...part, version: 1 };
    });
    const rig = await hashed(sessions, parts);
    expect(stateOf(rig).size()).toBe(2_400);
    send(rig, 1, [{ k: "key-7-1", ts: 3_020 }]);
    advance(rig, 60_000);
    const rows = perKey(rig.take());
    expect(Object.keys(rows).length).toBe(2_400);
    expect([rows["key-7-0"], rows["key-7-1"]]).toEqual(["1 in 3000 to 3100", "2 in 3000 to 3120"]);
  });
});

/** As version 1 of saved sessions was. */
function unnumbered(rig: Rig, saved: Chunks): Chunks {
  const { layout } = stateOf(rig) as unknown as { layout: CellLayout };
  const older = (chunk: Buffer): Buffer => {
    const entries: Buffer[] = [chunk.subarray(0, CHUNK_HEADER)];
    eachSession(chunk, layout, (_, at) => entries.push(chunk.subarray(at?.from, at?.to)));
    return Buffer.concat(entries);
  };
  return new Map([...saved].map(([shard, chunks]) => [shard, chunks.map(older)]));
}
