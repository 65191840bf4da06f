import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { PipelineNode } from "../../api/pipeline.schema.ts";
import { collected } from "../../../test/builders/collected-sink.ts";
import { runSlot } from "../../../test/builders/running-slot.ts";
import type { SinkFactory } from "../connectors/connector.ts";
import type { ConnectorRegistry } from "../connectors/registry.ts";
import { compile } from "../codegen/compile.ts";
import type { Plan } from "../plan.ts";
import { planPipeline } from "../planner/plan-pipeline.ts";
import type { RunningSlot } from "./slot.ts";

const RECORDS = 3000;
let folder = "";
let running: RunningSlot[] = [];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "weir-buffers-"));
  running = [];
});
afterEach(async () => {
  await Promise.all(running.map((r) => r.stop("Cancel", false)));
  await rm(folder, { recursive: true, force: true, maxRetries: 5 });
});

/** One source, a quick sink, and a slow one behind a buffer. */
function planOf(buffer: NonNullable<PipelineNode["buffer"]>): Plan {
  const nodes: PipelineNode[] = [
    { name: "events", source: { datagen: { splits: 1, count: RECORDS, backlog: RECORDS } } },
    { name: "quick", from: ["events"], sink: { blackhole: {} } },
    { name: "slow", from: ["events"], sink: { stdout: {} }, buffer },
  ];
  return planPipeline({ nodes }, { parameters: {}, maxParallelism: 4 });
}

/** The slow sink is full until the test opens it. */
function slowSink(): { connectors: ConnectorRegistry; open: () => void; taken: () => number } {
  const { connectors } = collected();
  let full = true;
  let taken = 0;
  let wake = (): void => {};
  const factory: SinkFactory = {
    open: () =>
      Promise.resolve({
        append: () => void taken++,
        saturated: () => full,
        onDrain: (fn) => void (wake = fn),
        flush: () => Promise.resolve(),
        counters: () => ({ records: taken, bytes: 0 }),
        close: () => Promise.resolve(),
      }),
  };
  return {
    connectors: {
      ...connectors,
      sink: (name) => (name === "stdout" ? Promise.resolve(factory) : connectors.sink(name)),
    },
    open: () => {
      full = false;
      wake();
    },
    taken: () => taken,
  };
}

async function run(buffer: NonNullable<PipelineNode["buffer"]>, sink = slowSink(), plan = planOf(buffer)) {
  const uri = `file://${folder}/state`;
  const slot = await runSlot({ plan, connectors: sink.connectors, uri, build: compile });
  running.push(slot);
  const edge = (): { buffered: number; dropped: number; backpressure: boolean } | undefined =>
    slot.measure().edges?.find((e) => e.node === "slow");
  return { slot, sink, edge };
}

describe("a slow sink behind a buffer", () => {
  it("holds the sources back with Buffer once it is full, and then gets every record", async () => {
    const { slot, sink, edge } = await run({ size: 500, strategy: "Buffer" });
    await expect.poll(() => edge()?.buffered).toBeGreaterThanOrEqual(500);
    const { totalIn } = slot.measure();
    expect(totalIn).toBeGreaterThanOrEqual(500);
    expect(totalIn).toBeLessThan(RECORDS);
    sink.open();
    await expect(slot.done).resolves.toBe("finished");
    expect(sink.taken()).toBe(RECORDS);
  });

  it("does not hold the sources back with Drop: what does not fit is dropped and counted", async () => {
    const { slot, sink, edge } = await run({ size: 500, strategy: "Drop" });
    await expect.poll(() => slot.measure().totalIn).toBe(RECORDS);
    expect(edge()).toEqual({ node: "slow", buffered: 500, dropped: RECORDS - 500, backpressure: true });
    sink.open();
    await expect(slot.done).resolves.toBe("finished");
    expect(sink.taken()).toBe(500);
  });

  it("gets the newest record with Latest", async () => {
    const { slot, sink, edge } = await run({ strategy: "Latest" });
    await expect.poll(() => slot.measure().totalIn).toBe(RECORDS);
    expect(edge()).toMatchObject({ buffered: 1, dropped: RECORDS - 1 });
    sink.open();
    await expect(slot.done).resolves.toBe("finished");
    expect(sink.taken()).toBe(1);
  });

  it("ends the job with Error", async () => {
    const { slot } = await run({ size: 500, strategy: "Error" });
    await expect(slot.done).rejects.toMatchObject({ code: "BUFFER_FULL" });
  });

  it("has given all that a checkpoint covers to its sink, so that a restore loses none of it", async () => {
    const { slot, sink, edge } = await run({ size: 500, strategy: "Buffer" });
    await expect.poll(() => edge()?.buffered).toBeGreaterThanOrEqual(500);
    expect((await slot.checkpoint()).ok).toBe(true);
    const covered = sink.taken();
    expect(covered).toBeGreaterThanOrEqual(500);
    await slot.stop("Cancel", false);
    const again = slowSink();
    again.open();
    const { slot: restored } = await run({ size: 500, strategy: "Buffer" }, again);
    await expect(restored.done).resolves.toBe("finished");
    expect(covered + again.taken()).toBe(RECORDS);
  });

  it("gets what waits, also with Drop, when the job stops", async () => {
    const { slot, sink } = await run({ size: 500, strategy: "Drop" });
    await expect.poll(() => slot.measure().totalIn).toBe(RECORDS);
    await slot.stop("Checkpoint", false);
    expect(sink.taken()).toBe(500);
  });
});

describe("a join behind buffers", () => {
  it("has one for each of its inputs, which are one figure", async () => {
    const source = { datagen: { splits: 1, count: RECORDS, backlog: RECORDS } };
    const join = { leftKey: "left.tenant", rightKey: "right.tenant" };
    const nodes: PipelineNode[] = [
      { name: "events", source },
      { name: "others", source },
      { name: "slow", from: ["events", "others"], join, buffer: { size: 20, strategy: "Drop" } },
      { name: "pairs", from: ["slow"], sink: { stdout: {} } },
    ];
    const plan = planPipeline({ nodes }, { parameters: {}, maxParallelism: 4 });
    const { slot, sink, edge } = await run({}, slowSink(), plan);
    await expect.poll(() => slot.measure().totalIn).toBe(2 * RECORDS);
    expect(edge()).toEqual({ node: "slow", buffered: 40, dropped: 2 * RECORDS - 40, backpressure: true });
    sink.open();
    await expect(slot.done).resolves.toBe("finished");
  });
});
