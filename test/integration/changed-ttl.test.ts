/** A time to live that changes while the job is stopped means the same in memory, in RocksDB and to the interpreter. */
import { expect, it } from "vitest";
import type { PipelineNode } from "../../src/api/pipeline.schema.ts";
import { compile } from "../../src/engine/codegen/compile.ts";
import { loadedFunction } from "../../src/engine/functions/loaded-function.ts";
import { functionsOf } from "../../src/engine/functions/plan-functions.ts";
import type { KeyedProcessFunction } from "../../src/engine/functions/author.ts";
import { interpret } from "../../src/engine/interpreter/interpret.ts";
import { planPipeline } from "../../src/engine/planner/plan-pipeline.ts";
import type { Program } from "../../src/engine/program.ts";
import { batchOf } from "../builders/memory-batch.ts";
import { memorySink } from "../builders/memory-sink.ts";
import { random, type Random } from "../builders/random.ts";
import { restarted } from "../builders/restarted-programs.ts";
import { rocksFolder } from "../servers/rocksdb.ts";

const RUNS = process.env["WEIR_LONG"] === "1" ? 2_000 : 16;
const rocks = rocksFolder();

/** Sums what came, until a timer ends it. */
const sums: KeyedProcessFunction<{ readonly v: number }> = {
  onRecord: ({ v }, { state, timers, timestamp, emit }) => {
    const sum = state.value<number>("sum");
    state.list<number>("last").add(v);
    sum.set((sum.get() ?? 0) + v);
    if (v === 0) timers.set("end", timestamp + 30);
    emit({ sum: sum.get(), last: state.list<number>("last").get() });
  },
  onTimer: (_, { state, emit, key }) => emit({ key, ended: state.value<number>("sum").get() ?? null }),
};

const kinds: Readonly<Record<string, (ttl: object) => Omit<PipelineNode, "name" | "from">>> = {
  aggregate: (ttl) => ({ keyBy: "event.k", aggregate: { n: "count()", some: "collect(event.v, 4)" }, ...ttl }),
  "aggregate by time": (ttl) => ({
    keyBy: "event.k",
    aggregate: { n: "count()", sum: "sum(event.v)" },
    window: { global: { trigger: { every: "10ms" } } },
    ...ttl,
  }),
  "aggregate by count": (ttl) => ({
    keyBy: "event.k",
    aggregate: { n: "count()", kinds: "countDistinct(event.v)" },
    window: { global: { trigger: { count: 3 } } },
    ...ttl,
  }),
  dedup: (ttl) => ({ keyBy: "event.k", dedup: ttl }),
  distinct: (ttl) => ({ distinct: { by: "event.v", ...ttl } }),
  topN: (ttl) => ({ keyBy: "event.k", topN: { size: 2, by: "event.v" }, ...ttl }),
  process: (ttl) => ({ keyBy: "event.k", process: { function: "sums", ...ttl } }),
  join: (ttl) => ({
    join: { leftKey: "left.k", rightKey: "right.v", select: { l: "left.id", r: "right.id" } },
    ...ttl,
  }),
};

function planOf(kind: string, ttlMs: number) {
  const read = { source: { datagen: {} }, eventTime: { field: "event.ts" } };
  const isJoin = kind === "join";
  const node = kinds[kind]?.(ttlMs === 0 ? {} : { ttl: `${ttlMs}ms` });
  const functions = kind === "process" ? [{ name: "sums", module: { path: "/sums.mjs" } }] : [];
  const nodes: PipelineNode[] = [
    { name: "events", ...read },
    ...(isJoin ? [{ name: "others", ...read }] : []),
    { name: "state", from: isJoin ? ["events", "others"] : ["events"], ...node },
    { name: "out", from: ["state"], sink: { blackhole: {} } },
  ];
  return planPipeline({ functions, nodes }, { parameters: {}, maxParallelism: 4 });
}

type Backend = "memory" | "rocksdb" | "rocksdb without a cache" | "interpreter";
const BACKENDS = ["memory", "rocksdb", "rocksdb without a cache", "interpreter"] as const;

interface Side {
  readonly name: string;
  backend(): Backend;
  program: Program;
  readonly sink: ReturnType<typeof memorySink>;
}

function start(plan: ReturnType<typeof planOf>, backend: Backend, { writer }: Side["sink"]): Program {
  const functions = new Map(
    [...functionsOf(plan)].map(([name, f]) => [name, loadedFunction(f, { value: sums, url: "" })]),
  );
  const options = { slot: 0, slots: 1, parameters: {}, sinks: new Map([["out", writer]]), functions };
  if (backend === "interpreter") return interpret(plan, options);
  if (backend === "memory") return compile(plan, options);
  return compile(plan, { ...options, rocks: rocks.state(backend === "rocksdb" ? {} : { cacheBytes: 0 }) });
}

const events = (r: Random, watermark: number): string[] =>
  Array.from({ length: r.below(10) }, (_, id) =>
    JSON.stringify({ k: r.below(5), ts: watermark - 3 + r.below(20), v: r.below(5), id }),
  );

interface Seen {
  rows: number;
  changes: number;
}

/** The same job with its state in each of the places, and in one that changes. */
class Job {
  private readonly kind: string;
  private ttl: number;
  private readonly sides: readonly Side[];
  private readonly trace: unknown[] = [];
  private watermark = 0;

  constructor(r: Random, any: Random) {
    this.kind = r.pick(Object.keys(kinds) as [string, ...string[]]);
    this.ttl = r.chance(0.3) ? 0 : 1 + r.below(60);
    const backends: readonly [string, () => Backend][] = [
      ...BACKENDS.map((name) => [name, () => name] as [string, () => Backend]),
      ["from one to another", () => any.pick(BACKENDS)],
    ];
    this.sides = backends.map(([name, backend]): Side => {
      const sink = memorySink();
      return { name, backend, sink, program: start(planOf(this.kind, this.ttl), backend(), sink) };
    });
  }

  turn(r: Random): number {
    const sent = events(r, this.watermark);
    const others = this.kind === "join" ? events(r, this.watermark) : [];
    this.watermark += r.below(15);
    this.trace.push({ ttl: this.ttl, sent, others, watermark: this.watermark });
    for (const { program } of this.sides) {
      program.inputs.get("events")?.process(batchOf(sent));
      program.inputs.get("others")?.process(batchOf(others));
    }
    this.advance();
    const [first, ...rest] = this.sides.map(({ name, sink }) => {
      const rows = sink.written.splice(0).map(({ value }) => value.toString());
      return { name, rows: rows.toSorted() };
    });
    const story = `${this.kind}: ${JSON.stringify(this.trace)}`;
    for (const { name, rows } of rest) expect({ name, rows }, story).toEqual({ name, rows: first?.rows });
    return first?.rows.length ?? 0;
  }

  change(r: Random): void {
    this.ttl = r.chance(0.25) ? 0 : 1 + r.below(60);
    for (const side of this.sides) {
      const next = start(planOf(this.kind, this.ttl), side.backend(), side.sink);
      side.program = restarted([side.program], [next])[0] as Program;
    }
    this.advance();
  }

  private advance(): void {
    for (const { program } of this.sides) {
      program.advanceWatermark("events", this.watermark);
      program.advanceWatermark("others", this.watermark);
    }
  }
}

it("is the same for all keyed state, wherever that is and however often it changes", { timeout: 3_000_000 }, () => {
  const seen: Seen = { rows: 0, changes: 0 };
  for (let seed = 1; seed <= RUNS; seed++) {
    const r = random(seed);
    const job = new Job(r, random(seed + 1_000_000));
    for (let turn = 0; turn < 12; turn++) {
      seen.rows += job.turn(r);
      if (!r.chance(0.3)) continue;
      job.change(r);
      seen.changes++;
    }
    rocks.close();
  }
  console.log(`times to live that change over restarts: ${RUNS} jobs, ${JSON.stringify(seen)}, 0 differences`);
  expect(seen.rows).toBeGreaterThan(RUNS * 5);
  expect(seen.changes).toBeGreaterThan(RUNS);
});
