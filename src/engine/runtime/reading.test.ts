import { expect, it } from "vitest";
import { collected } from "../../../test/builders/collected-sink.ts";
import { runSlot } from "../../../test/builders/running-slot.ts";
import { compile } from "../codegen/compile.ts";
import { planPipeline } from "../planner/plan-pipeline.ts";

it("reads a source no faster than a rateLimit below it allows, and loses nothing", async () => {
  const nodes = [
    { name: "events", source: { datagen: { count: 3000, rate: 0, splits: 1 } } },
    { name: "limit", from: ["events"], rateLimit: { perSecond: 10_000, burst: 1 } },
    { name: "out", from: ["limit"], sink: { blackhole: {} } },
  ];
  const planned = planPipeline({ nodes }, { parameters: {}, maxParallelism: 4 });
  const plan = { ...planned, sinks: planned.sinks.map((sink) => ({ ...sink, connector: "collect" })) };
  const out = collected();
  const started = performance.now();
  const slot = await runSlot({ plan, connectors: out.connectors, uri: "memory://rate-limit", build: compile });
  await slot.done;
  expect(out.lines).toHaveLength(3000);
  // Three batches; each but the last is paid back before the next is read.
  expect(performance.now() - started).toBeGreaterThan(190);
});
