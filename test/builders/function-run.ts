import { expect } from "vitest";
import type { PipelineNode } from "../../src/api/pipeline.schema.ts";
import { compile } from "../../src/engine/codegen/compile.ts";
import { loadedFunction } from "../../src/engine/functions/loaded-function.ts";
import { functionsOf } from "../../src/engine/functions/plan-functions.ts";
import { interpret } from "../../src/engine/interpreter/interpret.ts";
import { planPipeline } from "../../src/engine/planner/plan-pipeline.ts";
import type { Program } from "../../src/engine/program.ts";
import { messageOf } from "../../src/errors.ts";
import { batchOf } from "./memory-batch.ts";
import { memorySink } from "./memory-sink.ts";

/** What happens to a program: records come, time passes, its input ends, or it is restarted. */
export type Act = { records: readonly object[] } | { watermark: number } | "end" | "restart";

export interface FunctionRun {
  /** By sink; with the time of each record where `times` is asked for. */
  readonly written: Readonly<Record<string, readonly unknown[]>>;
  /** What ended it. */
  readonly failure: string | undefined;
  readonly errors: number;
  /** Live keys at the end. */
  readonly keys: number;
}

/** A value for each function, as a module would export it; one for after the restarts where it changes. */
export interface Functions {
  readonly exports: Readonly<Record<string, unknown>>;
  readonly later?: Readonly<Record<string, unknown>>;
}

/** Runs nodes below a source "events" as generated code and as the interpreter does, and expects the same of both. */
export function runFunctions(nodes: readonly PipelineNode[], of: Functions, acts: readonly Act[]): FunctionRun {
  const names = Object.keys(of.exports);
  const source: PipelineNode = { name: "events", source: { datagen: {} }, eventTime: { field: "event.ts" } };
  const functions = names.map((name) => ({ name, module: { path: `/${name}.mjs` } }));
  const plan = planPipeline(
    { functions, nodes: [source, ...nodes] },
    { parameters: { unit: "ms" }, maxParallelism: 4 },
  );
  const runs = [compile, interpret].map((build): FunctionRun => {
    const sinks = new Map(plan.sinks.map((s) => [s.node, memorySink()]));
    const start = (exports: Readonly<Record<string, unknown>>): Program =>
      build(plan, {
        slot: 0,
        slots: 1,
        parameters: plan.parameters,
        sinks: new Map([...sinks].map(([name, sink]) => [name, sink.writer])),
        functions: new Map(
          [...functionsOf(plan)].map(([name, f]) => [name, loadedFunction(f, { value: exports[name], url: "" })]),
        ),
      });
    let program: Program | undefined;
    let failure: string | undefined;
    try {
      program = start(of.exports);
      for (const act of acts) program = perform(program, act, () => start(of.later ?? of.exports));
    } catch (e) {
      failure = messageOf(e);
    }
    const shown = [...sinks].map(([name, sink]) => [
      name,
      sink.written.map(({ value }) => JSON.parse(value) as unknown),
    ]);
    return {
      written: Object.fromEntries(shown) as FunctionRun["written"],
      failure,
      errors: [...(program?.counters().values() ?? [])].reduce((sum, c) => sum + c.errors, 0),
      keys: program?.keyed.reduce((sum, k) => sum + k.size(), 0) ?? 0,
    };
  });
  expect(runs[0]).toEqual(runs[1]);
  return runs[0] as FunctionRun;
}

function perform(program: Program, act: Act, start: () => Program): Program {
  if (act === "end") program.end("events");
  else if (act === "restart") return restarted(program, start());
  else if ("watermark" in act) program.advanceWatermark("events", act.watermark);
  else program.inputs.get("events")?.process(batchOf(act.records.map((r) => JSON.stringify(r))));
  return program;
}

function restarted(before: Program, after: Program): Program {
  for (const [i, node] of before.keyed.entries()) {
    const snapshot = node.beginSnapshot();
    for (const shard of node.shards()) after.keyed[i]?.restore(shard, [...snapshot.chunks(shard)], node.stateVersion);
    snapshot.release();
  }
  return after;
}
