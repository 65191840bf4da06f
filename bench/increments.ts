/**
 * What checkpoints cost of large states of which little changed: the first one, and those after it, each after some of the
 * entries were touched. Bytes with the manifest, CPU, the barrier, and the longest turn of the event loop in CPU time.
 *
 *   node bench/increments.ts [--only sessions]
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setImmediate as turn } from "node:timers/promises";
import { parseArgs } from "node:util";
import type { PipelineNode } from "../src/api/pipeline.schema.ts";
import { newIncrements } from "../src/engine/checkpoint/increments.ts";
import {
  captureKeyed,
  releaseCapture,
  writeKeyedState,
  writeManifest,
} from "../src/engine/checkpoint/snapshot-writer.ts";
import { openStorage } from "../src/engine/checkpoint/storage.ts";
import { compile } from "../src/engine/codegen/compile.ts";
import { planPipeline } from "../src/engine/planner/plan-pipeline.ts";
import type { Program } from "../src/engine/program.ts";
import { load } from "./machine.ts";
import { median } from "./processes.ts";
import { batchOf, copyingSink } from "./program-cost.ts";

const { values: flags } = parseArgs({ options: { only: { type: "string" } } });
const CHECKPOINTS = 12;
const TOUCHED = 500;
const PER_BATCH = 1_000;
const MINUTE = 60_000;

interface Event {
  readonly k: number;
  readonly ts: number;
}
interface Case {
  readonly node: Partial<PipelineNode>;
  readonly sources: readonly string[];
  /** Events of a source that make the state. */
  readonly first: (source: string) => Generator<Event>;
  /** Events of a source between two checkpoints. */
  readonly touched: (source: string, round: number) => Generator<Event>;
}

const on = { leftKey: "left.k", rightKey: "right.k" };
const SESSIONS = 200_000;
const WAITING = 200_000;
const KEYS = 100_000;

const cases: Readonly<Record<string, Case>> = {
  table: {
    node: { keyBy: "event.k", aggregate: { n: "count()", last: "last(event.v)" } },
    sources: ["events"],
    first: () => events(SESSIONS, (i) => ({ k: i, ts: i % MINUTE })),
    touched: (_, round) => events(TOUCHED, (i) => ({ k: (round * 7919 + i * 397) % SESSIONS, ts: MINUTE })),
  },
  sessions: {
    node: {
      keyBy: "event.k",
      window: { session: { gap: "10m" } },
      aggregate: { n: "count()", last: "last(event.v)" },
    },
    sources: ["events"],
    first: () => events(SESSIONS, (i) => ({ k: i, ts: i % MINUTE })),
    touched: (_, round) => events(TOUCHED, (i) => ({ k: (round * 7919 + i * 397) % SESSIONS, ts: MINUTE })),
  },
  waiting: {
    node: { join: { ...on, temporal: {} } },
    sources: ["lefts", "rights"],
    first: (source) => events(source === "lefts" ? WAITING : 1_000, (i) => ({ k: i % 1_000, ts: MINUTE + i })),
    touched: (source, round) =>
      events(source === "lefts" ? TOUCHED : 5, (i) => ({ k: (round + i) % 1_000, ts: MINUTE + WAITING + round + i })),
  },
  interval: {
    node: { join: { ...on, interval: { before: "1m", after: "0s" } } },
    sources: ["lefts", "rights"],
    first: (source) => events(source === "lefts" ? KEYS * 2 : KEYS, (i) => ({ k: i % KEYS, ts: 1 + (i % MINUTE) })),
    touched: (_, round) => events(TOUCHED / 2, (i) => ({ k: (round * 7919 + i * 397) % KEYS, ts: MINUTE + round })),
  },
};

function* events(n: number, event: (i: number) => Event): Generator<Event> {
  for (let i = 0; i < n; i++) yield event(i);
}

function start({ node, sources }: Case): Program {
  const plan = planPipeline(
    {
      nodes: [
        ...sources.map((name) => ({ name, source: { datagen: {} }, eventTime: { field: "event.ts" } })),
        { name: "kept", from: [...sources], ...node },
        { name: "out", from: ["kept"], sink: { blackhole: {} } },
      ],
    },
    { parameters: {}, maxParallelism: 32 },
  );
  return compile(plan, { slot: 0, slots: 1, parameters: {}, sinks: new Map([["out", copyingSink()]]) });
}

function send(program: Program, source: string, all: Generator<Event>): void {
  let lines: Buffer[] = [];
  const process = (): void => {
    if (lines.length > 0) program.inputs.get(source)?.process(batchOf(lines, 0));
    lines = [];
  };
  for (const { k, ts } of all) {
    lines.push(Buffer.from(JSON.stringify({ k, ts, v: `value-${k}`, more: "x".repeat(40) })));
    if (lines.length === PER_BATCH) process();
  }
  process();
}

interface Figures {
  readonly bytes: number;
  readonly barrierMs: number;
  readonly cpuMs: number;
  readonly longestMs: number;
}

/** Of the thread, in CPU milliseconds. */
function cpu(): () => number {
  const before = process.threadCpuUsage();
  return () => {
    const { user, system } = process.threadCpuUsage(before);
    return (user + system) / 1000;
  };
}

/** The longest turn of the event loop while something is done. */
async function longestTurn(work: Promise<unknown>): Promise<number> {
  let done = false;
  const finished = work.finally(() => (done = true));
  let longest = 0;
  while (!done) {
    const spent = cpu();
    await turn();
    longest = Math.max(longest, spent());
  }
  await finished;
  return longest;
}

async function measured(of: Case): Promise<{ first: Figures; next: Figures }> {
  const root = await mkdtemp(join(tmpdir(), "weir-increments-"));
  const storage = openStorage(`file://${root}`, (path) => path);
  const program = start(of);
  const increments = newIncrements();
  const identity = { namespace: "n", job: "j", jobUid: "u", lineage: "l", epoch: 1, slot: 0, slots: 1, attempt: 0 };
  const never = new AbortController().signal;
  const checkpoint = async (id: number): Promise<Figures> => {
    const spent = cpu();
    const began = performance.now();
    const capture = { takenAt: 0, held: false, sources: [], keyed: captureKeyed(program.keyed) };
    const barrierMs = performance.now() - began;
    const increment = increments.begin(id);
    const writing = writeKeyedState(storage, { folder: String(id), attempt: 0, increment }, capture, never);
    const longestMs = await longestTurn(writing);
    const { keyed, bytes: stateBytes } = await writing;
    const facts = { identity, id, planHash: "h", maxParallelism: 32, sinks: [] };
    const written = await writeManifest(storage, String(id), facts, { capture, keyed });
    if (written === undefined) throw new Error(`checkpoint ${id} is there already`);
    increment.accept(written.manifest, stateBytes);
    releaseCapture(capture);
    return { bytes: stateBytes + written.bytes.length, barrierMs, cpuMs: spent(), longestMs };
  };
  try {
    for (const source of of.sources) {
      send(program, source, of.first(source));
      program.advanceWatermark(source, 0);
    }
    const first = await checkpoint(1);
    const all: Figures[] = [];
    for (let round = 1; round <= CHECKPOINTS; round++) {
      for (const source of of.sources) send(program, source, of.touched(source, round));
      all.push(await checkpoint(round + 1));
    }
    const middle = (of: (f: Figures) => number): number => median(all.map(of));
    const next = {
      bytes: middle((f) => f.bytes),
      barrierMs: middle((f) => f.barrierMs),
      cpuMs: middle((f) => f.cpuMs),
      longestMs: Math.max(...all.map((f) => f.longestMs)),
    };
    return { first, next };
  } finally {
    await rm(root, { recursive: true, force: true });
  }
}

const shown = ({ bytes, cpuMs }: Figures): string => `${(bytes / 1024).toFixed(0)} | ${cpuMs.toFixed(0)}`;

console.log(`load ${load()}\n`);
console.log("| state | first: KiB | CPU, ms | later: KiB | CPU, ms | barrier, ms | longest turn, ms |");
console.log(`|---|${"---|".repeat(6)}`);
for (const [name, of] of Object.entries(cases)) {
  if (flags.only !== undefined && flags.only !== name) continue;
  const { first, next } = await measured(of);
  const { barrierMs, longestMs } = next;
  console.log(`| ${name} | ${shown(first)} | ${shown(next)} | ${barrierMs.toFixed(1)} | ${longestMs.toFixed(1)} |`);
}
console.log(`\nload ${load()}`);
