import { describe, expect, it } from "vitest";
import { batchOf } from "../../../test/builders/memory-batch.ts";
import { memorySink } from "../../../test/builders/memory-sink.ts";
import type { PipelineNode } from "../../api/pipeline.schema.ts";
import { isOfEventTime } from "../../api/window-check.ts";
import { compile } from "../codegen/compile.ts";
import { planPipeline } from "../planner/plan-pipeline.ts";
import type { KeyedNode, PiecePosition, Program } from "../program.ts";
import { restoreDivided, type SplitPart } from "./divide.ts";

type Row = Readonly<Record<string, unknown>>;

interface Rig {
  readonly program: Program;
  readonly take: () => Row[];
}

/** One node over events `{k, ts}`, and what it gives; of a join both sides are these. */
function rigOf(node: Partial<PipelineNode>, partitionedBy?: string): Rig {
  const source = { source: { datagen: {} }, eventTime: { field: "event.ts" } };
  const events: PipelineNode = { name: "events", ...source, ...(partitionedBy === undefined ? {} : { partitionedBy }) };
  const others: PipelineNode = { ...events, name: "others" };
  const from = node.join === undefined ? ["events"] : ["events", "others"];
  const nodes: PipelineNode[] = [
    ...(node.join === undefined ? [events] : [events, others]),
    { name: "state", from, ...(node.join === undefined ? { keyBy: "event.k" } : {}), ...node },
    { name: "out", from: isOfEventTime(node.window) ? ["state", "state.late"] : ["state"], sink: { blackhole: {} } },
  ];
  const plan = planPipeline({ nodes }, { parameters: {}, maxParallelism: 8 });
  const { writer, written } = memorySink();
  const program = compile(plan, { slot: 0, slots: 1, parameters: {}, sinks: new Map([["out", writer]]) });
  return { program, take: () => written.splice(0).map(({ value }) => JSON.parse(value) as Row) };
}

const declared = (node: Partial<PipelineNode>): Rig => rigOf(node, "event.k");
const stateOf = ({ program }: Rig): KeyedNode => program.keyed[0] as KeyedNode;

function send({ program }: Rig, split: number, events: readonly Row[], source = "events"): void {
  program.inputs.get(source)?.process(
    batchOf(
      events.map((event) => JSON.stringify(event)),
      split,
    ),
  );
}

function advance({ program }: Rig, watermark: number): void {
  for (const source of program.inputs.keys()) program.advanceWatermark(source, watermark);
}

type Chunks = ReadonlyMap<number, readonly Buffer[]>;

function wholeOf(rig: Rig): Chunks {
  const snapshot = stateOf(rig).beginSnapshot();
  const chunks = new Map(
    stateOf(rig)
      .shards()
      .map((shard) => [shard, [...snapshot.chunks(shard)]] as const),
  );
  snapshot.release();
  return chunks;
}

function partOf(rig: Rig, chunks: Chunks = wholeOf(rig)): SplitPart {
  const { stateVersion: version, watermark } = stateOf(rig);
  const shards = [...chunks].map(([shard, saved]) => ({
    shard,
    watermark: Math.max(...saved.map((chunk) => chunk.readDoubleLE(0))),
    chunks: async function* () {
      yield* await Promise.resolve(saved);
    },
  }));
  return { saved: { shards, watermark }, version, uri: "memory://saved" };
}

async function hashed(node: Partial<PipelineNode>, parts: readonly SplitPart[]): Promise<Rig> {
  const rig = rigOf(node);
  await restoreDivided(stateOf(rig), parts, { slot: 0, slots: 1, maxParallelism: 8 });
  return rig;
}

const count = { aggregate: { n: "count()" } };
const tumbling = { ...count, window: { tumbling: { size: "10s" } } };

/** One worker has read key "a" and come to `ahead`, the other key "b" and to `behind`; then a record of each may come. */
async function meeting(
  node: Partial<PipelineNode>,
  { ahead, behind }: { ahead: number; behind: number },
): Promise<Rig> {
  const [first, second] = [declared(node), declared(node)];
  for (const rig of [first, second]) advance(rig, 0);
  const times = [1_000, 11_000, 21_000, 31_000];
  send(
    first,
    0,
    times.filter((ts) => ts > ahead - 10_000).map((ts) => ({ k: "a", ts })),
  );
  send(
    second,
    1,
    times.filter((ts) => ts > behind).map((ts) => ({ k: "b", ts })),
  );
  advance(first, ahead);
  advance(second, behind);
  return await hashed(node, [partOf(first), partOf(second)]);
}

describe("keys that come from workers that had come to different times", () => {
  it("have each window once, as late as the slowest comes to it", async () => {
    const rig = await meeting(tumbling, { ahead: 25_000, behind: 5_000 });
    advance(rig, 5_000);
    expect(rig.take()).toEqual([]);
    send(rig, 1, [{ k: "b", ts: 12_000 }]);
    advance(rig, 19_999);
    expect(rig.take()).toEqual([expect.objectContaining({ k: "b", n: 2 })]);
    advance(rig, 39_999);
    expect(rig.take().map(({ k, n }) => [k, n])).toEqual(
      expect.arrayContaining([
        ["a", 1],
        ["b", 1],
        ["a", 1],
        ["b", 1],
      ]),
    );
  });

  it("are late where it is late for all of them, also in a shard that has no key yet", async () => {
    const rig = await meeting(tumbling, { ahead: 25_000, behind: 15_000 });
    for (let i = 0; i < 20; i++) send(rig, 0, [{ k: `new-${i}`, ts: 9_000 }]);
    expect(rig.take().length).toBe(20);
    advance(rig, 40_000);
    expect(rig.take().filter(({ k }) => String(k).startsWith("new"))).toEqual([]);
  });

  const given =
    /^cannot restore memory:\/\/saved: node state has given results up to 1970-01-01T00:00:25\.000Z for some splits of its source, and up to 1970-01-01T00:00:05\.000Z for others, so some would be given again/;
  it.each<[what: string, node: Partial<PipelineNode>]>([
    ["sliding windows", { ...count, window: { sliding: { size: "20s", every: "10s" } } }],
    ["windows with allowed lateness", { ...count, window: { tumbling: { size: "10s" }, allowedLateness: "20s" } }],
    ["sessions with allowed lateness", { ...count, window: { session: { gap: "2s" }, allowedLateness: "20s" } }],
    ["results by time", { ...count, window: { global: { trigger: { every: "10s" } } } }],
  ])("are refused where %s would be given again", async (_what, node) => {
    // A record that waits for the next boundary.
    const late = async (): Promise<Rig> => {
      const [first, second] = [declared(node), declared(node)];
      send(first, 0, [{ k: "a", ts: 11_000 }]);
      advance(first, 24_000);
      send(first, 0, [{ k: "a", ts: 24_500 }]);
      advance(first, 25_000);
      send(second, 1, [{ k: "b", ts: 11_000 }]);
      advance(second, 5_000);
      return await hashed(node, [partOf(first), partOf(second)]);
    };
    await expect(late()).rejects.toMatchObject({ code: "RESTORE_REFUSED" });
    await expect(late()).rejects.toThrow(given);
  });

  it.each<[what: string, node: Partial<PipelineNode>, rows: number]>([
    ["sliding windows", { ...count, window: { sliding: { size: "20s", every: "10s" } } }, 9],
    ["results by time", { ...count, window: { global: { trigger: { every: "10s" } } } }, 2],
  ])("are taken where no boundary of %s lies between these", async (_what, node, rows) => {
    const rig = await meeting(node, { ahead: 8_500, behind: 5_000 });
    advance(rig, 60_000);
    expect(rig.take().length).toBe(rows);
  });
});

describe("a null key, which is in any split", () => {
  it.each<[what: string, node: Partial<PipelineNode>, rows: readonly Row[]]>([
    ["an aggregate", { aggregate: { n: "count()", sum: "sum(event.ts)" } }, [{ n: 5, sum: 8_500 }]],
    ["a window", tumbling, [{ n: 5 }]],
    [
      "a list of the highest",
      { topN: { size: 4, by: "event.ts" } },
      [
        { rank: 2, record: { k: null, ts: 2_500 } },
        { rank: 3, record: { k: null, ts: 2_000 } },
        { rank: 4, record: { k: null, ts: 1_000 } },
      ],
    ],
  ])("becomes one key of %s", async (_what, node, rows) => {
    const [first, second] = [declared(node), declared(node)];
    const events = [1_000, 0, 2_000, 3_000].map((ts) => ({ k: null, ts }));
    send(first, 0, events.slice(0, 2));
    send(second, 1, events.slice(2));
    const rig = await hashed(node, [partOf(first), partOf(second)]);
    send(rig, 0, [{ k: null, ts: 2_500 }]);
    advance(rig, 60_000);
    expect(rig.take()).toEqual(rows.map((row) => expect.objectContaining({ k: null, ...row }) as unknown));
  });
});

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
    advance(rig, 60_000);
    expect(rig.take().map(({ k }) => k)).toEqual(["b", "a"]);
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

/** What the newest of several checkpoints has of a shard: of large pieces what earlier ones wrote, and what changed since. */
function increments(rig: Rig): (shard: number) => Buffer[] {
  const written = new Map<object, { at: PiecePosition; chunks: Buffer[] }>();
  return (shard) => {
    const snapshot = stateOf(rig).beginSnapshot();
    const newest = [...(snapshot.pieces?.(shard) ?? [])].flatMap((piece) => {
      const earlier = piece.of === undefined ? undefined : written.get(piece.of);
      const since = earlier === undefined ? undefined : piece.since(earlier.at);
      const chunks = since === undefined ? [...piece.whole()] : [...(earlier?.chunks ?? []), ...since];
      if (piece.of !== undefined) written.set(piece.of, { at: piece.at, chunks });
      return chunks;
    });
    snapshot.release();
    return newest.filter((chunk) => chunk.length > 0);
  };
}
