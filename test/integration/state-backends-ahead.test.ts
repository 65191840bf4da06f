import { expect, it } from "vitest";
import type { PipelineNode } from "../../src/api/pipeline.schema.ts";
import type { KeyedSnapshot, PiecePosition, Program } from "../../src/engine/program.ts";
import { backendRigs, send, stateOf } from "../builders/backend-rig.ts";
import type { Event } from "../builders/backend-rig.ts";
import { random } from "../builders/random.ts";
import type { Random } from "../builders/random.ts";
import { restarted } from "../builders/restarted-programs.ts";
import { rocksFolder } from "../servers/rocksdb.ts";

const rocks = rocksFolder();
const rig = backendRigs();
const BATCHES = 24;
const on = {
  leftKey: "left.k",
  rightKey: "right.k",
  select: { k: "left.k", l: "left.v", o: "right.k", r: "right.v" },
};

/** Two keys have many rows, some have none, most have a few. */
function events(r: Random, batch: number): Event[] {
  const key = (): string | null =>
    r.chance(0.1) ? `hot-${r.below(2)}` : r.chance(0.05) ? null : `key-${r.below(400)}`;
  return Array.from({ length: 250 }, (_, i) => ({
    k: key() as string,
    ts: batch * 1_000 + r.below(1_500),
    v: `${batch}-${i} ${"x".repeat(r.below(300))}`,
  }));
}

it.each([
  ["within an interval", { join: { ...on, interval: { before: "3s", after: "2s" }, type: "Outer" } }],
  ["in windows", { join: { ...on, window: { size: "6s" }, type: "Outer" } }],
  ["without times", { join: on, ttl: "8s" }],
  ["with versions", { join: { ...on, temporal: {}, type: "Left" } }],
] satisfies [string, Partial<PipelineNode>][])(
  "joins %s give the same where the cache holds what a batch needs, half of it, and everything",
  (_, node) => {
    const { startOn, take } = rig(node);
    const states = [{}, ...[1_000_000, 100_000].map((cacheBytes) => ({ rocks: rocks.state({ cacheBytes }) }))];
    const given = states.map((state) => {
      const r = random(7);
      let program = startOn(state);
      for (let batch = 0; batch < BATCHES; batch++) {
        send(program, events(r, batch));
        send(program, events(r, batch), 0, "others");
        for (const source of ["events", "others"]) program.advanceWatermark(source, batch * 1_000 - 500);
        if (batch === BATCHES / 2) [program] = restarted([program], [startOn(state)]) as [Program];
      }
      for (const source of ["events", "others"]) program.end(source);
      return take().map((row) => JSON.stringify(row));
    });
    const [memory = [], ...stored] = given;
    expect(memory.length).toBeGreaterThan(BATCHES * 100);
    for (const rows of stored) {
      expect(rows.findIndex((row, i) => row !== memory[i])).toBe(-1);
      expect(rows.length).toBe(memory.length);
    }
  },
);

/**
 * Checkpoints that write what changed: of each piece what it was written as, and what came to it since. They begin, and are
 * written when what they gave is called.
 */
function history(): (program: Program) => () => readonly Buffer[] {
  const pieces = new Map<object, { at: PiecePosition; chunks: Buffer[] }>();
  return (program) => written(stateOf(program).beginSnapshot(), pieces);
}

function written(snapshot: KeyedSnapshot, pieces: Map<object, { at: PiecePosition; chunks: Buffer[] }>) {
  return (): readonly Buffer[] => {
    const all: Buffer[] = [];
    const copies = (chunks: Iterable<Buffer>): Buffer[] =>
      Array.from(chunks, (chunk) => Buffer.from(chunk)).filter(({ length }) => length > 0);
    if (snapshot.pieces === undefined) all.push(...copies(snapshot.chunks(0)));
    for (const { of, at, whole, since } of snapshot.pieces?.(0) ?? []) {
      const earlier = of === undefined ? undefined : pieces.get(of);
      const changed = earlier === undefined ? undefined : since(earlier.at);
      const chunks = changed === undefined ? copies(whole()) : [...(earlier?.chunks ?? []), ...copies(changed)];
      if (of !== undefined) pieces.set(of, { at, chunks });
      all.push(...chunks);
    }
    snapshot.release();
    return all;
  };
}

const interval = { before: "10s", after: "10s" };
it.each([
  ["within an interval", 1e9, { interval, type: "Outer" }],
  ["within an interval", 300_000, { interval, type: "Outer" }],
  ["with versions", 1e9, { temporal: {}, type: "Left" }],
  ["with versions", 500_000, { temporal: {}, type: "Left" }],
  ["with versions", 100_000, { temporal: {}, type: "Left" }],
  ["with versions", 0, { temporal: {}, type: "Left" }],
] satisfies [string, number, Partial<PipelineNode["join"]>][])(
  "joins %s go on from checkpoints of what changed, which are written while records go on, with rows in memory and in the database (%d bytes)",
  (_, cacheBytes, join) => {
    const { startOn, take } = rig({ join: { ...on, ...join } });
    const [memory = [], stored = []] = [{}, { rocks: rocks.state({ cacheBytes }) }].map((state) => {
      const r = random(11);
      let program = startOn(state);
      const checkpoint = history();
      let saved: readonly Buffer[] = [];
      for (let batch = 0; batch < 20; batch++) {
        send(program, events(r, batch));
        const write = batch % 3 === 0 ? checkpoint(program) : undefined;
        send(program, events(r, batch), 0, "others");
        for (const source of ["events", "others"]) program.advanceWatermark(source, batch * 1_000 - 500);
        saved = write?.() ?? saved;
        if (batch !== 13) continue;
        const { stateVersion } = stateOf(program);
        program = startOn(state);
        stateOf(program).restore(0, saved, stateVersion);
        for (const source of ["events", "others"]) program.advanceWatermark(source, batch * 1_000 - 500);
      }
      for (const source of ["events", "others"]) program.end(source);
      return take().map((row) => JSON.stringify(row));
    });
    expect(memory.length).toBeGreaterThan(4_000);
    expect(stored.findIndex((row, i) => row !== memory[i])).toBe(-1);
    expect(stored.length).toBe(memory.length);
  },
);

const seen = { seen: "collect(event.ts)" };
it.each([
  [1e9, {}],
  [1e9, seen],
  [300_000, {}],
  [100_000, seen],
])("sessions are saved as they were while records go on (%d bytes, %o)", (cacheBytes, more) => {
  const aggregate = { n: "count()", last: "last(event.v)", ...more };
  const { startOn, take } = rig({ keyBy: "event.k", window: { session: { gap: "3s" } }, aggregate });
  const states = [{}, { rocks: rocks.state({ cacheBytes }) }];
  const [memory = [], stored = []] = states.map((state) => {
    const r = random(5);
    const rows: string[] = [];
    let program = startOn(state);
    for (let batch = 0; batch < 24; batch++) {
      send(program, events(r, batch));
      program.advanceWatermark("events", batch * 1_000 - 500);
      if (batch % 6 !== 5) continue;
      const { stateVersion } = stateOf(program);
      const snapshot = stateOf(program).beginSnapshot();
      const given = take();
      send(program, events(r, batch));
      program.advanceWatermark("events", batch * 1_000 + 2_000);
      take();
      const saved = Array.from(snapshot.chunks(0), (chunk) => Buffer.from(chunk));
      snapshot.release();
      program = startOn(state);
      stateOf(program).restore(0, saved, stateVersion);
      for (const row of given) rows.push(JSON.stringify(row));
    }
    program.end("events");
    return [...rows, ...take().map((row) => JSON.stringify(row))];
  });
  expect(memory.length).toBeGreaterThan(1_000);
  expect(stored).toEqual(memory);
});
