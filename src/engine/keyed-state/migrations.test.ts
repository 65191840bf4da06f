import { expect, it } from "vitest";
import { batchOf } from "../../../test/builders/memory-batch.ts";
import { memorySink } from "../../../test/builders/memory-sink.ts";
import type { PipelineNode } from "../../api/pipeline.schema.ts";
import { compile } from "../codegen/compile.ts";
import { planPipeline } from "../planner/plan-pipeline.ts";
import type { KeyedNode } from "../program.ts";
import { migrated } from "./migrations.ts";

/** A shard as version 1 wrote it. */
const SESSIONS_1 =
  "AAAAAADgj0AEAAAAAAAAAAAwkUADAAAAImEiAAAAAABAj0AAAAAAAADwPwAAAAAAAPA/AwAAACJ4IgUAAABbIngiXQAAAAAA+JFAAwAAACJiIgAAAAAA" +
  "kI9AAAAAAAAAAEAAAAAAAAAAQAEAAAA3AwAAAFs3XQAAAAAAiJNAAwAAACJhIgAAAAAA+JFAAAAAAAAACEAAAAAAAADwPwMAAAAieSIFAAAAWyJ5Il0A" +
  "AAAAAECPQAMAAAAiYyIAAAAAACCMQAAAAAAAABBAAAAAAAAA8D8BAAAAMQMAAABbMV0=";
const TEMPORAL_JOIN_1 =
  "AAAAAACAQUAFAAAAAAAAAAAATkAAAwAAABcAAAAiYSJ7ImsiOiJhIiwidHMiOjYwLCJ2IjoyfQAAAAAAgEZAAAMAAAAXAAAAImMieyJrIjoiYyIsInRz" +
  "Ijo0NSwidiI6M30AAAAAAAAkQAEDAAAAGwAAACJhInsiayI6ImEiLCJ0cyI6MTAsInYiOiJvbGQifQAAAAAAAElAAQMAAAAbAAAAImEieyJrIjoiYSIs" +
  "InRzIjo1MCwidiI6Im5ldyJ9AAAAAAAAREABAwAAABkAAAAiYiJ7ImsiOiJiIiwidHMiOjQwLCJ2IjoiYiJ9";

function started(node: Partial<PipelineNode>) {
  const sources = node.join === undefined ? ["events"] : ["events", "others"];
  const nodes: PipelineNode[] = [
    ...sources.map((name) => ({ name, source: { datagen: {} }, eventTime: { field: "event.ts" } })),
    { name: "state", from: sources, ...node },
    { name: "out", from: ["state"], sink: { blackhole: {} } },
  ];
  const plan = planPipeline({ nodes }, { parameters: {}, maxParallelism: 1 });
  const { writer, written } = memorySink();
  const program = compile(plan, { slot: 0, slots: 1, parameters: {}, sinks: new Map([["out", writer]]) });
  return {
    restore: (saved: string): void => {
      const keyed = program.keyed[0] as KeyedNode;
      const { chunks, version } = migrated(keyed, { chunks: [Buffer.from(saved, "base64")], version: 1 });
      keyed.restore(0, chunks, version);
    },
    put: (...events: object[]): void =>
      program.inputs.get("events")?.process(batchOf(events.map((event) => JSON.stringify(event)))),
    time: (ts: number): void => sources.forEach((source) => program.advanceWatermark(source, ts)),
    results: () => written.splice(0).map(({ value }) => JSON.parse(value) as Record<string, unknown>),
  };
}

it("goes on with sessions that were saved without numbers", () => {
  const { restore, put, time, results } = started({
    keyBy: "event.k",
    aggregate: { n: "count()", first: "first(event.v)", kinds: "countDistinct(event.v)" },
    window: { session: { gap: "100ms" }, allowedLateness: "50ms" },
  });
  restore(SESSIONS_1);
  put({ k: "a", ts: 1_100, v: "z" }, { k: "c", ts: 990, v: 2 });
  time(2_000);
  expect(results()).toEqual([
    { k: "c", windowStart: 900, windowEnd: 1_090, n: 2, first: 1, kinds: 2 },
    { k: "b", windowStart: 1_010, windowEnd: 1_150, n: 2, first: 7, kinds: 1 },
    { k: "a", windowStart: 1_000, windowEnd: 1_250, n: 3, first: "x", kinds: 3 },
  ]);
});

it("goes on with rows of a join that were saved before there were increments of them", () => {
  const select = { k: "left.k", l: "left.v", r: "right.v" };
  const { restore, put, time, results } = started({
    join: { temporal: {}, type: "Left", leftKey: "left.k", rightKey: "right.k", select },
  });
  restore(TEMPORAL_JOIN_1);
  put({ k: "b", ts: 50, v: 4 });
  time(100);
  expect(results()).toEqual([
    { k: "c", l: 3, r: null },
    { k: "b", l: 4, r: "b" },
    { k: "a", l: 2, r: "new" },
  ]);
});
