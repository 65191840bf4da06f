import { expect, it } from "vitest";
import type { PipelineNode } from "../../src/api/pipeline.schema.ts";
import { checkpointIds } from "../../src/engine/checkpoint/layout.ts";
import { memoryStorage } from "../../src/engine/checkpoint/memory-storage.ts";
import { compile } from "../../src/engine/codegen/compile.ts";
import { planPipeline } from "../../src/engine/planner/plan-pipeline.ts";
import type { Program } from "../../src/engine/program.ts";
import { allOf, folder, load, RETAIN, startProcess } from "../builders/checkpointed-program.ts";
import { batchOf } from "../builders/memory-batch.ts";
import { memorySink } from "../builders/memory-sink.ts";
import { random, type Random } from "../builders/random.ts";

const RUNS = process.env["WEIR_LONG"] === "1" ? 1_000 : 17;
const KEYS = 2_500;
const from = ["events"];
const keyed = { from, keyBy: "event.k" };
const aggregate = { n: "count()", sum: "sum(event.v)", last: "last(event.v)", kinds: "countDistinct(event.v)" };
const twice = { from: ["events", "events"] };
/** Half of the records have no partner. */
const on = { leftKey: "left.k", rightKey: "right.k * 2" };
type States = readonly [PipelineNode, ...PipelineNode[]];
const STATES: States = [
  { name: "counts", ...keyed, aggregate },
  { name: "forgetful", ...keyed, ttl: "150ms", aggregate },
  { name: "filled", ...keyed, aggregate, window: { count: { size: 3 } } },
  { name: "times", ...keyed, ttl: "150ms", aggregate, window: { global: { trigger: { every: "20ms" } } } },
  { name: "seconds", ...keyed, aggregate, window: { tumbling: { size: "100ms" }, allowedLateness: "50ms" } },
  { name: "sliding", ...keyed, aggregate, window: { sliding: { size: "200ms", every: "100ms" } } },
  { name: "sessions", ...keyed, aggregate, window: { session: { gap: "60ms" } } },
  { name: "highest", ...keyed, topN: { size: 2, by: "event.v" } },
  { name: "dedup", ...keyed, dedup: { ttl: "150ms" } },
  { name: "met", ...twice, join: { ...on, type: "Outer", interval: { before: "50ms", after: "100ms" } } },
  { name: "paired", ...twice, join: { ...on, type: "Left", window: { size: "200ms" } } },
  { name: "whenever", ...twice, join: on, ttl: "150ms" },
  // Their sessions go one by one, and many are merged before.
  { name: "kept", ...keyed, aggregate, window: { session: { gap: "30ms" }, allowedLateness: "90ms" } },
  { name: "versions", ...twice, join: { ...on, type: "Left", temporal: {} } },
];
/** Of these every log is short, as time goes faster. */
const FASTER: States = [
  { name: "met", ...twice, join: { ...on, type: "Outer", interval: { before: "1s", after: "2s" } } },
  { name: "paired", ...twice, join: { ...on, type: "Left", window: { size: "1s" } } },
  { name: "whenever", ...twice, join: on, ttl: "3s" },
];

/** Starts the program of some of the states; what it gives is nobody's business here. */
function starter(states: readonly PipelineNode[]): () => Program {
  const nodes: PipelineNode[] = [
    { name: "events", source: { datagen: {} }, eventTime: { field: "event.ts" } },
    ...states,
    ...states.map(({ name }) => ({ name: `${name}-out`, from: [name], sink: { blackhole: {} } })),
  ];
  const plan = planPipeline({ nodes }, { parameters: {}, maxParallelism: 2 });
  const sinks = new Map(plan.sinks.map(({ node }) => [node, memorySink()]));
  const writers = new Map([...sinks].map(([node, { writer }]) => [node, writer]));
  return () => {
    for (const { written } of sinks.values()) written.length = 0;
    return compile(plan, { slot: 0, slots: 1, parameters: {}, sinks: writers });
  };
}

function sender(r: Random, keys: number, { times, most }: { times: number; most: number }) {
  let watermark = 0;
  return (program: Program, count: number): void => {
    // Now and then all keys, mostly a few: so pieces are born, change a little, and change a lot.
    const some = r.chance(0.3) ? keys : 1 + r.below(40);
    const first = r.below(keys);
    const records = Array.from({ length: count }, (_, i) => {
      const k = count === keys ? i : (first + r.below(some)) % keys;
      return JSON.stringify({ k, ts: times * (watermark + r.below(120) - 20), v: r.below(5) });
    });
    program.inputs.get("events")?.process(batchOf(records));
    if (r.chance(0.5)) program.advanceWatermark("events", times * (watermark += r.below(most)));
  };
}

function storyOf(seed: number, r: Random) {
  const first = [...STATES, ...FASTER][seed % (STATES.length + FASTER.length)] as PipelineNode;
  const isFaster = FASTER.includes(first);
  return {
    start: starter([...new Set([first, r.pick(isFaster ? FASTER : STATES)])]),
    send: sender(r, KEYS, isFaster ? { times: 20, most: 20 } : { times: 1, most: r.pick([10, 60]) }),
  };
}

it("restores from increments what was there, whatever changed, failed, crashed and was collected in between", async () => {
  const seen = { checkpoints: 0, increments: 0, crashes: 0, failures: 0, retained: 0 };
  for (let seed = 1; seed <= RUNS; seed++) {
    const r = random(seed);
    const uri = `memory://increments-${seed}`;
    const { start, send } = storyOf(seed, r);
    let running = await startProcess(uri, start());
    send(running.program, KEYS);
    let newest: { id: number; all: Map<string, string> } | undefined;
    for (let turn = 0; turn < 20; turn++) {
      send(running.program, r.chance(0.2) ? KEYS : r.below(200));
      const fails = r.chance(0.2);
      const all = allOf(running.program);
      // Records that come while the checkpoint is written belong to the next one.
      const { id } = await running.checkpoint(fails, () => send(running.program, r.below(100)));
      seen[fails ? "failures" : "checkpoints"]++;
      if (!fails) newest = { id, all };
      if (newest === undefined || !r.chance(0.15)) continue;
      seen.crashes++;
      running = await startProcess(uri, start());
      const manifest = await load(uri, newest.id, running.program);
      if (manifest.keyed.some((k) => k.shards.some((s) => s.segments.some((x) => x.file.startsWith("..")))))
        seen.increments++;
      expect({ seed, turn, all: allOf(running.program) }).toEqual({ seed, turn, all: newest.all });
    }
    if (newest === undefined) continue;
    const storage = memoryStorage(uri);
    const ids = checkpointIds(await storage.list(folder));
    const finished = await Promise.all(ids.map((id) => storage.read(`${folder}/${id}/manifest.json`)));
    const restorable = ids.filter((_, i) => finished[i] !== undefined).slice(0, RETAIN);
    for (const id of restorable) await load(uri, id, start());
    seen.retained += restorable.length;
  }
  console.log(`incremental checkpoints: ${RUNS} runs, ${JSON.stringify(seen)}, 0 differences`);
  expect(seen.increments).toBeGreaterThan(RUNS / 4);
});

it("writes only what changed of a big state, and keeps not much more than it needs", async () => {
  const keys = 100_000;
  const changed = 1_000;
  const uri = "memory://increments-bytes";
  const running = await startProcess(uri, starter([STATES[0]])());
  const input = (ks: readonly number[]): void =>
    running.program.inputs.get("events")?.process(batchOf(ks.map((k) => JSON.stringify({ k, ts: 0, v: 1 }))));
  for (let at = 0; at < keys; at += 1_000) input(Array.from({ length: 1_000 }, (_, i) => at + i));
  const whole = await running.checkpoint();
  const r = random(7);
  const sizes: number[] = [];
  for (let i = 0; i < 40; i++) {
    input(Array.from({ length: changed }, () => r.below(keys)));
    sizes.push((await running.checkpoint()).bytes);
  }
  const mean = Math.round(sizes.reduce((sum, n) => sum + n, 0) / sizes.length);
  const storage = memoryStorage(uri);
  const kept = checkpointIds(await storage.list(folder));
  let held = 0;
  for (const id of kept) held += (await storage.read(`${folder}/${id}/state-a0.seg`))?.length ?? 0;
  console.log(
    `incremental checkpoints: ${keys} keys take ${whole.bytes} bytes; with ${changed} changed, ${mean} bytes on average ` +
      `over ${sizes.length}, at most ${Math.max(...sizes)}; ${held} bytes held in ${kept.length} files`,
  );
  expect(mean).toBeLessThan(whole.bytes / 10);
  expect(held).toBeLessThan(whole.bytes * 3);
  expect(kept.length).toBeLessThan(40);
});
