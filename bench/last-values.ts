import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Batch } from "../src/engine/batch.ts";
import { compile } from "../src/engine/codegen/compile.ts";
import { planPipeline } from "../src/engine/planner/plan-pipeline.ts";
import type { Program } from "../src/engine/program.ts";
import type { RocksState } from "../src/engine/rocksdb/database.ts";
import { rocksState } from "../src/engine/rocksdb/database.ts";
import { median } from "./processes.ts";
import { batchOf, copyingSink, eventLine, measureStream } from "./program-cost.ts";

/** The last value of each of many keys: one event for each, over and over in the same order. */
export interface LastValues {
  readonly program: Program;
  readonly batches: readonly Batch[];
  /** Records per CPU second of the first events, when no key is there yet. */
  readonly first: number;
  /** The median of so many passes of updates. */
  readonly next: (passes: number) => number;
}

const PER_BATCH = 1000;

export function lastValues(batches: readonly Batch[], rocks?: RocksState): LastValues {
  const program = start(rocks);
  const [input] = program.inputs.values();
  const pass = (chunk: readonly Batch[]): void => chunk.forEach((batch) => input?.process(batch));
  const figure = (): number => measureStream({ next: () => batches, pass }, 1);
  const first = figure();
  figure();
  return { program, batches, first, next: (passes) => median(Array.from({ length: passes }, figure)) };
}

export function eventBatches(keys: number): readonly Batch[] {
  const lines = (b: number): Buffer[] =>
    Array.from({ length: PER_BATCH }, (_, i) => eventLine(b * PER_BATCH + i, keys));
  return Array.from({ length: keys / PER_BATCH }, (_, b) => batchOf(lines(b), 0));
}

/** With a fresh database in a folder that is gone afterwards. */
export function withRocks<T>(memoryBytes: number, use: (rocks: RocksState) => T): T {
  const folder = mkdtempSync(join(tmpdir(), "weir-last-values-"));
  const rocks = rocksState({ folder: join(folder, "state"), memoryBytes, nodes: 1 });
  try {
    return use(rocks);
  } finally {
    rocks.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

function start(rocks: RocksState | undefined): Program {
  const plan = planPipeline(
    {
      nodes: [
        { name: "events", source: { datagen: {} } },
        {
          name: "last",
          from: ["events"],
          keyBy: "event.tenant",
          aggregate: { lag: "last(event.payload.lag)" },
          window: { global: { trigger: { count: 10_000_000 } } },
        },
        { name: "out", from: ["last"], sink: { blackhole: {} } },
      ],
    },
    { parameters: {}, maxParallelism: 128 },
  );
  const options = { slot: 0, slots: 1, sinks: new Map([["out", copyingSink()]]), parameters: plan.parameters };
  return compile(plan, rocks === undefined ? options : { ...options, rocks });
}
