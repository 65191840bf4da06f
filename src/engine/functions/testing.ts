import { functionOf } from "./process-node.ts";
import type { KeyedProcessNode, RecordProcessNode } from "./process-node.ts";
import { FunctionState } from "./function-state.ts";
import { KeyedProcess } from "./keyed-process.ts";
import type { LoadedFunction } from "./loaded-function.ts";
import { loadedFunction } from "./loaded-function.ts";
import { RecordProcess } from "./record-process.ts";
import type { ProgramOptions } from "../program.ts";

/**
 * For authors' own tests: `import { functionTest } from "weir/functions/testing"`. Runs a function as a worker does, with
 * its state, its timers and all its checks, one call at a time. What a job would fail with is thrown.
 */
export interface FunctionTest {
  /** An event of a key, or without one for a function that has none. */
  record(event: unknown, at: { readonly key?: unknown; readonly timestamp: number }): void;
  /** Event time has come so far: what is due is due. */
  advanceTo(watermark: number): void;
  /** The input has ended: each timer that is set is due. */
  end(): void;
  /** Saves the state and goes on with it, in another version of the function where one is given. */
  restart(later?: unknown): void;
  /** What was emitted since this was called last. */
  taken(): Taken[];
}

export interface Taken {
  readonly record: unknown;
  readonly timestamp: number;
  /** "out" is the plain output. */
  readonly output: string;
}

export interface TestSettings {
  /** Whether the node has `keyBy`; it has if the export has `onTimer`, where this is not said. */
  readonly keyed?: boolean;
  readonly ttlMs?: number;
  readonly outputs?: readonly string[];
  readonly parameters?: Readonly<Record<string, string>>;
}

const PLACE = { name: "function", module: { path: "the function" }, export: "default" } as const;

export function functionTest(exported: unknown, settings: TestSettings = {}): FunctionTest {
  const { outputs = [] } = settings;
  const names = ["out", ...outputs];
  let emitted: Taken[] = [];
  const give = (output: number, record: unknown, timestamp: number): void =>
    void emitted.push({ record, timestamp, output: names[output] ?? "" });
  let runner = makeRunner(load(exported), settings, give);
  return {
    record: (event, at) => runner.record(event, at),
    advanceTo: (watermark) => runner.advance(watermark),
    end: () => runner.advance(Number.POSITIVE_INFINITY),
    restart: (later) => {
      const next = makeRunner(load(later ?? exported), settings, give);
      next.restore(runner);
      runner = next;
    },
    taken: () => {
      const list = emitted;
      emitted = [];
      return list;
    },
  };
}

const load = (exported: unknown): LoadedFunction => loadedFunction(PLACE, { value: exported, url: "" });

interface Runner {
  record(event: unknown, at: { readonly key?: unknown; readonly timestamp: number }): void;
  advance(watermark: number): void;
  restore(before: Runner): void;
  readonly process: KeyedProcess | undefined;
}

type Give = (output: number, record: unknown, timestamp: number) => void;

function makeRunner(fn: LoadedFunction, settings: TestSettings, give: Give): Runner {
  const { keyed = fn.onTimer !== undefined, outputs = [], parameters = {} } = settings;
  const options: ProgramOptions = {
    slot: 0,
    slots: 1,
    sinks: new Map(),
    parameters,
    functions: new Map([[PLACE.name, fn]]),
  };
  const base = { name: "test", inputs: [], onError: "Fail", function: PLACE, outputs } as const;
  if (!keyed) return recordRunner({ ...base, kind: "process" }, options, give);
  const { ttlMs = 0 } = settings;
  return keyedRunner({ ...base, kind: "keyedProcess", key: "key", ttlMs, keying: "local" }, options, give);
}

function recordRunner(node: RecordProcessNode, options: ProgramOptions, give: Give): Runner {
  functionOf(node, options);
  const process = new RecordProcess(node, options);
  return {
    process: undefined,
    record: (event, { timestamp }) => {
      const failure = process.run(structuredClone(event), timestamp);
      if (failure !== undefined) throw new Error(failure.detail);
      for (const { output, value } of process.emissions.list) give(output, value, timestamp);
    },
    advance: () => undefined,
    restore: () => undefined,
  };
}

function keyedRunner(node: KeyedProcessNode, options: ProgramOptions, give: Give): Runner {
  const counters = { in: 0, out: 0, late: 0, errors: 0 };
  const process = new KeyedProcess(node, { options, store: new FunctionState(node.ttlMs), counters });
  process.emit = give;
  return {
    process,
    record: (event, { key = null, timestamp }) => {
      const failure = process.record(0, JSON.stringify(key), structuredClone(event), timestamp);
      if (failure !== undefined) throw new Error(failure.detail);
      process.given();
    },
    advance: (watermark) => process.advance(watermark),
    restore: ({ process: before }) => {
      if (before === undefined) return;
      const snapshot = before.beginSnapshot();
      for (const shard of before.shards()) process.restore(shard, [...snapshot.chunks(shard)], before.stateVersion);
      snapshot.release();
    },
  };
}
