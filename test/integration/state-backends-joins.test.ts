import { describe, expect, it } from "vitest";
import type { PipelineNode } from "../../src/api/pipeline.schema.ts";
import type { Program } from "../../src/engine/program.ts";
import { BACKENDS, backendRigs, increments, keys, send, stateOf } from "../builders/backend-rig.ts";
import { heldBuffers } from "../builders/held-buffers.ts";
import { restarted } from "../builders/restarted-programs.ts";

const rig = backendRigs();
const MANY = 1_200;

type Join = NonNullable<PipelineNode["join"]>;
const on = {
  leftKey: "left.k",
  rightKey: "right.k",
  select: { k: "left.k", l: "left.v", r: "right.v" },
} satisfies Partial<Join>;

const left = (program: Program, names: readonly string[], ts: number, v: unknown): void =>
  send(
    program,
    names.map((k) => ({ k, ts, v })),
  );
const right = (program: Program, names: readonly string[], ts: number, v: unknown): void =>
  send(
    program,
    names.map((k) => ({ k, ts, v })),
    0,
    "others",
  );
function pass(program: Program, watermark: number): void {
  program.advanceWatermark("events", watermark);
  program.advanceWatermark("others", watermark);
}

describe.each(BACKENDS)("rows of joins in %s", (backend) => {
  it("meets rows within an interval, in order of their times, and gives those alone when nothing can come any more", () => {
    const { start, take } = rig({ join: { interval: { before: "10s", after: "5s" }, type: "Left", ...on } });
    let program = start(backend);
    const names = keys(MANY);
    left(program, names, 20_000, "l");
    right(program, names.slice(0, 800), 25_000, "late");
    right(program, names.slice(0, 800), 10_000, "early");
    right(program, names.slice(0, 800), 9_999, "no");
    const rows = take();
    expect(rows).toHaveLength(1_600);
    expect(rows[3]).toEqual({ k: "key-3", l: "l", r: "late" });
    [program] = restarted([program], [start(backend)]) as [Program];
    left(program, ["key-3"], 15_000, "again");
    expect(take().map(({ r }) => r)).toEqual(["no", "early"]);
    pass(program, 24_999);
    expect(take()).toEqual([]);
    pass(program, 25_000);
    expect(take()).toEqual(names.slice(800).map((k) => ({ k, l: "l", r: null })));
    pass(program, 100_000);
    expect([take().length, stateOf(program).size()]).toEqual([0, 0]);
  });

  it("gives a window's pairs by key in the order of arrival, then what only the right side has", () => {
    const { start, take } = rig({
      join: { window: { size: "10s" }, type: "Outer", ...on, select: { l: "left", r: "right" } },
    });
    let program = start(backend);
    const names = keys(MANY).toReversed();
    left(program, names, 1_000, 1);
    left(program, ["key-2"], 2_000, 2);
    right(program, keys(4), 3_000, 3);
    right(program, ["other", "key-1"], 4_000, 4);
    [program] = restarted([program], [start(backend)]) as [Program];
    pass(program, 9_998);
    expect(take()).toEqual([]);
    pass(program, 9_999);
    const pairs = take().map(({ l, r }) => [l, r] as { k: string; v: number }[]);
    const alone = pairs.slice(0, MANY - 4).map(([l, r]) => [l?.k, r]);
    expect(alone).toEqual(names.slice(0, MANY - 4).map((k) => [k, null]));
    expect(pairs.slice(MANY - 4).map(([l, r]) => [l?.k, l?.v, r?.k, r?.v].join(" ").trim())).toEqual([
      "key-3 1 key-3 3",
      "key-2 1 key-2 3",
      "key-2 2 key-2 3",
      "key-1 1 key-1 3",
      "key-1 1 key-1 4",
      "key-0 1 key-0 3",
      "other 4",
    ]);
    expect(stateOf(program).size()).toBe(0);
  });

  it("keeps rows of a join without times as long as they live", () => {
    const { start, take } = rig({ ttl: "10s", join: on });
    let program = start(backend);
    const names = keys(MANY);
    left(program, names, 1_000, "l");
    left(program, names, 5_000, "m");
    pass(program, 10_999);
    [program] = restarted([program], [start(backend)]) as [Program];
    right(program, names, 2_000, "r");
    expect(take().slice(0, 2)).toEqual([
      { k: "key-0", l: "l", r: "r" },
      { k: "key-0", l: "m", r: "r" },
    ]);
    pass(program, 11_000);
    right(program, ["key-9"], 2_000, "s");
    expect(take()).toEqual([{ k: "key-9", l: "m", r: "s" }]);
  });

  it("leaves what a new time to live has ended behind at a restore, however long the time before was", () => {
    const events = Array.from({ length: 20_000 }, (_, i) => ({ k: `key-${i % 50}`, ts: (i + 1) * 10_000, v: i }));
    const end = events.length * 10_000;
    const before = rig({ join: on }).start(backend);
    send(before, events);
    pass(before, end);
    expect(stateOf(before).size()).toBe(events.length);
    const { start, take } = rig({ ttl: "15s", join: on });
    const held = heldBuffers();
    const [program] = restarted([before], [start(backend)]) as [Program];
    expect(heldBuffers() - held).toBeLessThan(8 * 1024 * 1024);
    expect(stateOf(program).size()).toBe(2);
    right(program, keys(50), end, "r");
    expect(take().map(({ l }) => l)).toEqual([19_998, 19_999]);
  });

  it("gives each row with the version in force at its time, when all versions are there", () => {
    const { start, take } = rig({ join: { temporal: {}, type: "Left", ...on } });
    let program = start(backend);
    const names = keys(MANY);
    right(program, names.slice(100), 1_000, "old");
    right(program, names.slice(100), 5_000, "new");
    left(program, names, 5_000, "l");
    left(program, names, 4_999, "m");
    right(program, ["key-200"], 4_000, "late");
    expect(stateOf(program).size()).toBe((MANY - 100) * 2 + MANY * 2 + 1);
    [program] = restarted([program], [start(backend)]) as [Program];
    pass(program, 4_999);
    const first = names.map((k, i) => ({ k, l: "m", r: i < 100 ? null : i === 200 ? "late" : "old" }));
    expect(take()).toEqual(first);
    [program] = restarted([program], [start(backend)]) as [Program];
    pass(program, 5_000);
    expect(take()).toEqual(names.map((k, i) => ({ k, l: "l", r: i < 100 ? null : "new" })));
    const checkpoints = increments();
    checkpoints.take(program);
    right(program, ["key-300"], 6_000, "newest");
    // RocksDB has the versions of a key in one place.
    expect(checkpoints.take(program)).toBe(backend === "Memory" ? 1 : 2);
    for (const other of BACKENDS) {
      const restored = start(other);
      stateOf(restored).restore(0, checkpoints.written, stateOf(program).stateVersion);
      left(restored, ["key-300", "key-301"], 7_000, "n");
      pass(restored, 7_000);
      expect(take().map(({ r }) => r)).toEqual(["newest", "new"]);
    }
  });

  it("leaves out at a restore rows that had their version between two checkpoints", () => {
    // The others write all rows that wait each time.
    if (backend !== "Memory") return;
    const { start, take } = rig({ join: { temporal: {}, type: "Left", ...on } });
    const program = start(backend);
    const checkpoints = increments();
    left(program, keys(MANY), 1_000, "given");
    left(program, keys(MANY), 2_000, "waits");
    checkpoints.take(program);
    pass(program, 1_500);
    expect(take()).toHaveLength(MANY);
    left(program, ["new"], 1_800, "waits");
    checkpoints.take(program);
    for (const other of BACKENDS) {
      const restored = start(other);
      stateOf(restored).restore(0, checkpoints.written, stateOf(program).stateVersion);
      expect(stateOf(restored).size()).toBe(MANY + 1);
      pass(restored, 2_000);
      expect(take().map(({ k, l }) => `${String(k)} ${String(l)}`)).toEqual([
        "new waits",
        ...keys(MANY).map((k) => `${k} waits`),
      ]);
    }
  });

  it("tells which rows came, and which have had a partner, since an earlier checkpoint", () => {
    const { start, take } = rig({ join: { interval: { before: "10s", after: "10s" }, type: "Left", ...on } });
    const program = start(backend);
    const checkpoints = increments();
    left(program, keys(MANY), 1_000, "l");
    expect(checkpoints.take(program)).toBe(MANY);
    right(program, keys(300), 1_000, "r");
    left(program, ["new"], 1_000, "l");
    expect(checkpoints.take(program)).toBe(300 + 300 + 1);
    left(program, ["newer"], 1_000, "l");
    expect(checkpoints.take(program)).toBe(300 + 1);
    expect(take()).toHaveLength(300);
    const restored = start(backend);
    stateOf(restored).restore(0, checkpoints.written, stateOf(program).stateVersion);
    pass(restored, 11_000);
    expect(take().map(({ k }) => k)).toEqual([...keys(MANY).slice(300), "new", "newer"]);
  });

  it("tells the same of many short logs together, of which some were dropped since", () => {
    const { start, take } = rig({ join: { interval: { before: "0s", after: "4s" }, type: "Left", ...on } });
    const program = start(backend);
    const checkpoints = increments();
    for (let second = 0; second < 6; second++) left(program, keys(300), second * 1_000 + 500, second);
    expect(checkpoints.take(program)).toBe(6 * 300);
    right(program, keys(10), 5_000, "r");
    left(program, ["new"], 5_000, "l");
    expect(take()).toHaveLength(40);
    expect(checkpoints.take(program)).toBe(40 + 10 + 1);
    pass(program, 5_000);
    expect(take()).toHaveLength(300);
    expect(checkpoints.take(program)).toBe(0);
    for (const other of BACKENDS) {
      const restored = start(other);
      stateOf(restored).restore(0, checkpoints.written, stateOf(program).stateVersion);
      pass(restored, 60_000);
      const alone = (l: number, from: number): unknown[] =>
        keys(300)
          .slice(from)
          .map((k) => [l, k]);
      const all = [...[1, 2, 3, 4].flatMap((l) => alone(l, 10)), ["l", "new"], ...alone(5, 0)];
      expect(take().map(({ k, l }) => [l, k])).toEqual(all);
    }
  });

  it("takes little memory for the many spans of time of many shards that have few rows", () => {
    const { start } = rig({ join: { window: { size: "1s" }, ...on } });
    const program = start(backend);
    const before = heldBuffers();
    const spans = Array.from({ length: 10 }, (_, i) => ({ k: "key", ts: i * 1_000 }));
    for (let split = 0; split < 64; split++)
      for (const source of ["events", "others"]) send(program, spans, split, source);
    expect(stateOf(program).size()).toBe(64 * 10 * 2);
    stateOf(program).beginSnapshot().release();
    expect(heldBuffers() - before).toBeLessThan(20 * 1024 * 1024);
  });
});
