import { expect, it } from "vitest";
import type { PipelineNode } from "../../src/api/pipeline.schema.ts";
import { restoreDivided, type SplitPart } from "../../src/engine/checkpoint/divide.ts";
import { memoryStorage } from "../../src/engine/checkpoint/memory-storage.ts";
import { loadPart, readManifest } from "../../src/engine/checkpoint/snapshot-reader.ts";
import { compile } from "../../src/engine/codegen/compile.ts";
import type { Plan } from "../../src/engine/plan.ts";
import { planPipeline } from "../../src/engine/planner/plan-pipeline.ts";
import type { KeyedNode, Program } from "../../src/engine/program.ts";
import { WeirError } from "../../src/errors.ts";
import { murmur2, shardOf } from "../../src/engine/windows/murmur2.ts";
import { folder, startProcess } from "../builders/checkpointed-program.ts";
import { batchOf } from "../builders/memory-batch.ts";
import { memorySink } from "../builders/memory-sink.ts";
import { random, type Random } from "../builders/random.ts";

const RUNS = process.env["WEIR_LONG"] === "1" ? 600 : 24;
const SPLITS = 2;
const SHARDS = 8;
/** So many in each split: enough for a history. */
const KEYS = 2_600;
const SOURCES = ["events", "others"];
const counted = { from: ["events"], keyBy: "event.k", aggregate: { n: "count()", first: "first(event.v)" } };
const on = { leftKey: "left.k", rightKey: "right.k" };
const joined = (node: Partial<PipelineNode>): Partial<PipelineNode> => ({ from: SOURCES, ...node });

/** Where time goes `times` as fast, rows of a join are in many short logs, not in few long ones. */
const KINDS: readonly (readonly [what: string, node: Partial<PipelineNode>, times: number])[] = [
  ["sessions", { ...counted, window: { session: { gap: "60ms" } } }, 1],
  ["late sessions", { ...counted, window: { session: { gap: "30ms" }, allowedLateness: "90ms" } }, 1],
  ["versions", joined({ join: { ...on, type: "Left", temporal: {} } }), 1],
  ["long interval logs", joined({ join: { ...on, type: "Outer", interval: { before: "50ms", after: "100ms" } } }), 1],
  ["short interval logs", joined({ join: { ...on, type: "Outer", interval: { before: "1s", after: "2s" } } }), 20],
  ["long window logs", joined({ join: { ...on, type: "Left", window: { size: "200ms" } } }), 1],
  ["short window logs", joined({ join: { ...on, type: "Outer", window: { size: "1s" } } }), 20],
  ["rows with a time to live", joined({ join: on, ttl: "3s" }), 20],
  ["a table", { ...counted, ttl: "150ms" }, 1],
  ["results by time", { ...counted, ttl: "150ms", window: { global: { trigger: { every: "20ms" } } } }, 1],
];

interface Worker {
  readonly program: Program;
  readonly take: () => string[];
}

const planOf = (node: Partial<PipelineNode>, over: object): Plan =>
  planPipeline(
    {
      nodes: [
        ...(node.from ?? []).map((name) => ({
          name,
          source: { datagen: {} },
          eventTime: { field: "event.ts" },
          ...over,
        })),
        { name: "state", ...node },
        { name: "out", from: ["state"], sink: { blackhole: {} } },
      ],
    },
    { parameters: {}, maxParallelism: SHARDS },
  );

function workerOf(plan: Plan, slot: number, slots: number): Worker {
  const { writer, written } = memorySink();
  const program = compile(plan, { slot, slots, parameters: {}, sinks: new Map([["out", writer]]) });
  return { program, take: () => written.splice(0).map(({ value }) => value.toString()) };
}

const shardOfKey = (k: number): number => {
  const key = Buffer.from(String(k));
  return shardOf(murmur2(key, 0, key.length), SHARDS);
};

interface Event {
  readonly k: number;
  readonly ts: number;
  readonly v: number;
}

const send = (
  workers: readonly Worker[],
  source: string,
  events: readonly Event[],
  of: (k: number) => number,
): void => {
  for (const [slot, { program }] of workers.entries())
    for (let split = 0; split < SPLITS; split++) {
      const own = events.filter(({ k }) => k % SPLITS === split && of(k) === slot);
      if (own.length > 0)
        program.inputs.get(source)?.process(
          batchOf(
            own.map((event) => JSON.stringify(event)),
            split,
          ),
        );
    }
};

const stateOf = ({ program }: Worker): KeyedNode => program.keyed[0] as KeyedNode;

/** The newest checkpoint of a worker, and how many files it is made of. */
async function partOf(uri: string, id: number): Promise<{ part: SplitPart; files: number }> {
  const storage = memoryStorage(uri);
  const found = await readManifest(storage, `${folder}/${id}`);
  if (found === undefined) throw new Error(`checkpoint ${id} has no manifest`);
  const wanted = { mine: () => false, hashed: new Set(["state"]) };
  const { bySplit, manifest } = await loadPart(storage, `${folder}/${id}`, found.manifest, wanted);
  const [saved, version] = [bySplit.get("state"), manifest.keyed[0]?.stateVersion];
  if (saved === undefined || version === undefined) throw new Error("its state is not by split");
  const names = new Set(manifest.keyed.flatMap((k) => k.shards.flatMap((s) => s.segments.map(({ file }) => file))));
  return { part: { saved, version, uri }, files: names.size };
}

/** All of its state, as a savepoint has it. */
function wholePartOf(worker: Worker): SplitPart {
  const node = stateOf(worker);
  const snapshot = node.beginSnapshot();
  const shards = node.shards().map((shard) => {
    const saved = [...snapshot.chunks(shard)];
    const chunks = async function* () {
      yield* await Promise.resolve(saved);
    };
    return { shard, watermark: Math.max(...saved.map((chunk) => chunk.readDoubleLE(0))), chunks };
  });
  snapshot.release();
  return { saved: { shards, watermark: node.watermark }, version: node.stateVersion, uri: "whole" };
}

async function divided(plan: Plan, parts: readonly SplitPart[], slots: number, held: number): Promise<Worker[]> {
  const workers = Array.from({ length: slots }, (_, slot) => workerOf(plan, slot, slots));
  for (const [slot, worker] of workers.entries())
    await restoreDivided(stateOf(worker), parts, { slot, slots, maxParallelism: SHARDS }, held);
  return workers;
}

const refusal = (e: unknown): string => {
  if (e instanceof WeirError && e.code === "RESTORE_REFUSED") return e.code;
  throw e;
};

/** Records and watermarks as they come: first all keys, then mostly a few. */
function sender(r: Random, times: number) {
  const clocks = [0, 0];
  return {
    events: (count: number): Event[] => {
      const first = r.below(2 * KEYS);
      const some = r.chance(0.3) ? 2 * KEYS : 1 + r.below(60);
      const base = Math.min(...clocks);
      return Array.from({ length: count }, (_, i) => ({
        k: count === 2 * KEYS ? i : (first + r.below(some)) % (2 * KEYS),
        ts: times * (base + r.below(120) - 20),
        v: r.below(5),
      }));
    },
    /** Of each worker; they come to different times where they may. */
    watermarks: (most: number, apart: boolean): readonly number[] => {
      const step = r.below(most);
      for (const slot of [0, 1]) clocks[slot] = (clocks[slot] as number) + (apart ? r.below(most) : step);
      return clocks.map((clock) => clock * times);
    },
  };
}

const advance = ({ program }: Worker, watermark: number): void => {
  for (const source of program.inputs.keys()) program.advanceWatermark(source, watermark);
};

/** Workers, and which of them has a key. */
type Group = readonly [workers: readonly Worker[], of: (k: number) => number];

interface Story {
  readonly r: Random;
  readonly apart: boolean;
  readonly most: number;
  readonly sources: readonly string[];
  readonly sent: ReturnType<typeof sender>;
}

function turn({ sources, sent }: Story, groups: readonly Group[], count: number): void {
  for (const source of sources) {
    const events = sent.events(count);
    for (const [workers, of] of groups) send(workers, source, events, of);
  }
}

const bySplit = (k: number): number => k % SPLITS;

/** Several checkpoints of each worker, some of which fail; the newest of them. */
async function checkpoints(story: Story, before: readonly Worker[], uris: readonly string[]) {
  const { r, sent, most, apart } = story;
  const processes = await Promise.all(before.map(({ program }, slot) => startProcess(uris[slot] as string, program)));
  let newest: readonly { id: number }[] = [];
  turn(story, [[before, bySplit]], 2 * KEYS);
  for (let n = 2 + r.below(6); n > 0; n--) {
    turn(story, [[before, bySplit]], r.below(300));
    const at = r.chance(0.6) ? sent.watermarks(most, apart) : [];
    at.forEach((watermark, slot) => advance(before[slot] as Worker, watermark));
    if (n > 1 && r.chance(0.2)) for (const process of processes) await process.checkpoint(true);
    if (n === 1 || r.chance(0.7)) newest = await Promise.all(processes.map((process) => process.checkpoint()));
  }
  return await Promise.all(newest.map(({ id }, slot) => partOf(uris[slot] as string, id)));
}

/** What each group gives of the same records from here. */
function goneOn(story: Story, groups: readonly Group[]): readonly (readonly string[])[] {
  const { r, sent, most, apart, sources } = story;
  for (let n = 3; n >= 0; n--) {
    turn(story, groups, r.below(300));
    const at = sent.watermarks(most, apart);
    for (const [workers, of] of groups)
      for (const [slot, worker] of workers.entries())
        advance(worker, of === bySplit ? (at[slot] as number) : Math.min(...at));
  }
  return groups.map(([workers]) => {
    for (const { program } of workers) for (const source of sources) program.end(source);
    return workers.flatMap((worker) => worker.take()).toSorted();
  });
}

async function run(seed: number) {
  const r = random(seed);
  const [what, node, times] = KINDS[seed % KINDS.length] as (typeof KINDS)[number];
  const [plan, hashed] = [planOf(node, { partitionedBy: "event.k" }), planOf(node, {})];
  // Increments may have older versions of a key too, which only rows can find that were late for their worker.
  const apart = what !== "versions" && r.chance(0.4);
  const [most, slots] = [r.pick([10, 30]), 1 + r.below(3)];
  const story: Story = { r, apart, most, sources: node.from ?? [], sent: sender(r, times) };
  const before = [0, 1].map((slot) => workerOf(plan, slot, 2));
  const saved = await checkpoints(
    story,
    before,
    before.map((_, slot) => `memory://divided-increments-${seed}-${slot}`),
  );
  const files = Math.max(...saved.map((s) => s.files));
  const parts = saved.map(({ part }) => part);
  const after = await divided(hashed, parts, slots, r.chance(0.5) ? 20_000 : 1e9).catch(refusal);
  const whole = await divided(hashed, before.map(wholePartOf), slots, 1e9).catch(refusal);
  if (typeof after === "string" || typeof whole === "string") {
    expect({ seed, what, after }).toEqual({ seed, what, after: whole });
    expect(apart).toBe(true);
    return { what, files, rows: 0, refused: true };
  }
  const sizes = [after, whole].map((workers) => workers.reduce((sum, worker) => sum + stateOf(worker).size(), 0));
  expect({ seed, what, size: sizes[0] }).toEqual({ seed, what, size: sizes[1] });
  for (const worker of before) worker.take();
  const byHash = (k: number): number => shardOfKey(k) % slots;
  const groups: Group[] = [
    [before, bySplit],
    [after, byHash],
    [whole, byHash],
  ];
  const [kept, fromIncrements, fromWhole] = goneOn(story, groups);
  expect({ seed, what, rows: fromIncrements }).toEqual({ seed, what, rows: fromWhole });
  if (!apart) expect({ seed, what, rows: fromIncrements }).toEqual({ seed, what, rows: kept });
  return { what, files, rows: fromIncrements?.length ?? 0, refused: false };
}

it("divides what checkpoints have written piece by piece as it divides all of it, and goes on as by split", async () => {
  const seen = { rows: 0, increments: 0, refused: 0 };
  const kinds = new Set<string>();
  for (let seed = 1; seed <= RUNS; seed++) {
    const { what, files, rows, refused } = await run(seed);
    seen.rows += rows;
    if (refused) seen.refused++;
    if (files < 2) continue;
    seen.increments++;
    kinds.add(what);
  }
  console.log(`increments by split, then by hash: ${RUNS} runs, ${JSON.stringify(seen)}, 0 differences`);
  expect(seen.rows).toBeGreaterThan(10_000);
  expect([...kinds].toSorted()).toEqual(KINDS.map(([what]) => what).toSorted());
});
