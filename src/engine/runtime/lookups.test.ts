import { afterEach, describe, expect, it } from "vitest";
import { collected, type Collected } from "../../../test/builders/collected-sink.ts";
import { runSlot, type SlotSetting } from "../../../test/builders/running-slot.ts";
import { manualClock } from "../../clock.ts";
import type { PipelineNode } from "../../api/pipeline.schema.ts";
import { compile } from "../codegen/compile.ts";
import type { ConnectorRegistry } from "../connectors/registry.ts";
import type { LookupFactory } from "../lookups/lookup-backend.ts";
import type { Plan } from "../plan.ts";
import { planPipeline } from "../planner/plan-pipeline.ts";
import type { RunningSlot } from "./slot.ts";

const COUNT = 3_000;
const connections = [{ name: "cache", redis: { host: "localhost" } }];
const lookup = { connection: "cache", path: "{key}", capacity: 40 };
function planOf(buffer: Pick<PipelineNode, "buffer"> = {}): Plan {
  const nodes: PipelineNode[] = [
    {
      name: "events",
      source: { datagen: { splits: 2, rate: 0, count: COUNT } },
      partitionedBy: "event.tenant",
      eventTime: { field: "event.ts" },
    },
    {
      name: "known",
      from: ["events"],
      join: { lookup, leftKey: "left.tenant", select: { t: "left.tenant", n: "right" } },
      ...buffer,
    },
    {
      name: "n",
      from: ["known"],
      keyBy: "event.t",
      window: { tumbling: { size: "1h" } },
      aggregate: { n: "sum(event.n)" },
    },
    { name: "each", from: ["known"], sink: { blackhole: {} } },
    { name: "out", from: ["n"], sink: { blackhole: {} } },
  ];
  const planned = planPipeline({ connections, nodes }, { parameters: {}, maxParallelism: 4 });
  return { ...planned, sinks: planned.sinks.map((s) => ({ ...s, connector: "collect" })) };
}
const plan = planOf();

/** The same behind a table that every worker has. */
function broadcastPlan(): Plan {
  const fields = [{ path: "tenant", key: { prefix: "t", count: 9 } }];
  const nodes: PipelineNode[] = [
    { name: "events", source: { datagen: { splits: 2, rate: 0, count: COUNT } }, partitionedBy: "event.tenant" },
    { name: "tenants", source: { datagen: { splits: 1, rate: 0, count: 9, fields } } },
    {
      name: "placed",
      from: ["events"],
      broadcast: {
        from: "tenants",
        leftKey: "left.tenant",
        rightKey: "right.tenant",
        type: "Left",
        select: { tenant: "left.tenant" },
      },
    },
    { name: "known", from: ["placed"], join: { lookup, leftKey: "left.tenant", select: { t: "left.tenant" } } },
    { name: "each", from: ["known"], sink: { blackhole: {} } },
  ];
  const planned = planPipeline({ connections, nodes }, { parameters: {}, maxParallelism: 4 });
  return { ...planned, sinks: planned.sinks.map((sink) => ({ ...sink, connector: "collect" })) };
}

const running: RunningSlot[] = [];
afterEach(async () => {
  await Promise.all(running.splice(0).map((slot) => slot.stop("Cancel", false)));
});

/** A system that answers as long as it is `open`: 1 for every key. */
function system({ open = true } = {}) {
  const waiting: (() => void)[] = [];
  const answer = (): void => {
    of.open = true;
    waiting.splice(0).forEach((go) => go());
  };
  const of = { open, asked: 0, answer };
  const factory: LookupFactory = {
    open: () => ({
      batch: 10,
      parallel: 4,
      find: async (keys) => {
        of.asked += keys.length;
        if (!of.open) await new Promise<void>((resolve) => waiting.push(resolve));
        return keys.map(() => ({ rows: [Buffer.from("1")] }));
      },
      close: () => Promise.resolve(),
    }),
  };
  const connectors = ({ connectors: others }: Collected): ConnectorRegistry => ({
    ...others,
    lookup: () => Promise.resolve(factory),
  });
  return Object.assign(of, { connectors });
}

async function run(of: Pick<SlotSetting, "connectors" | "uri"> & Partial<SlotSetting>): Promise<RunningSlot> {
  const slot = await runSlot({ plan, build: compile, ...of });
  running.push(slot);
  return slot;
}
/** Records behind the lookup, and the sum of all windows. */
function results({ lines }: Collected): { records: number; counted: number } {
  const windows = lines.filter((line) => line.includes("windowStart")).map((line) => JSON.parse(line) as { n: number });
  return { records: lines.length - windows.length, counted: windows.reduce((sum, w) => sum + w.n, 0) };
}
const waiting = (slot: RunningSlot): number => slot.measure().edges?.find((e) => e.node === "known")?.buffered ?? 0;

describe("a slot with a lookup", () => {
  it("stops reading while records wait for answers, and ends when all are through", async () => {
    const outside = system({ open: false });
    const out = collected();
    const slot = await run({ connectors: outside.connectors(out), uri: "memory://lookup-waits" });
    await expect.poll(() => waiting(slot)).toBeGreaterThanOrEqual(40);
    const { totalIn } = slot.measure();
    expect(totalIn).toBeLessThan(COUNT);
    expect(outside.asked).toBeLessThanOrEqual(40);
    outside.answer();
    expect(await slot.done).toBe("finished");
    expect(results(out)).toEqual({ records: COUNT, counted: COUNT });
  });

  it("does not hold its sources behind a buffer that drops: what does not fit while nobody answers is counted", async () => {
    const outside = system({ open: false });
    const out = collected();
    const lossy = planOf({ buffer: { strategy: "Drop", size: 500 } });
    const slot = await run({ plan: lossy, connectors: outside.connectors(out), uri: "memory://lookup-drops" });
    await expect.poll(() => slot.measure().totalIn).toBe(COUNT);
    const { buffered = 0, dropped = 0 } = slot.measure().edges?.find((e) => e.node === "known") ?? {};
    expect(buffered).toBeGreaterThanOrEqual(500);
    expect(buffered + dropped).toBe(COUNT);
    outside.answer();
    expect(await slot.done).toBe("finished");
    expect(results(out)).toEqual({ records: buffered, counted: buffered });
  });

  it("holds its sources however many checkpoints empty the buffer before it while nobody answers", async () => {
    const outside = system({ open: false });
    const out = collected();
    const plan = planOf({ buffer: { size: 500 } });
    const slot = await run({ plan, connectors: outside.connectors(out), uri: "memory://lookup-spills" });
    await expect.poll(() => waiting(slot)).toBeGreaterThanOrEqual(500);
    for (let n = 0; n < 20; n++) {
      expect(await slot.checkpoint()).toMatchObject({ ok: true });
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(slot.measure().totalIn).toBeLessThan(COUNT);
    outside.answer();
    expect(await slot.done).toBe("finished");
    expect(results(out)).toEqual({ records: COUNT, counted: COUNT });
  });

  it("goes on from a checkpoint in which more waits than it has room for, also behind a broadcast's table", async () => {
    const outside = system({ open: false });
    const out = collected();
    const of = { plan: broadcastPlan(), connectors: outside.connectors(out), uri: "memory://lookup-table" };
    const first = await run(of);
    await expect.poll(() => waiting(first)).toBeGreaterThanOrEqual(40);
    expect(await first.checkpoint()).toMatchObject({ ok: true });
    await first.stop("Cancel", false);
    outside.open = true;
    expect(await (await run(of)).done).toBe("finished");
    expect(out.lines.length).toBe(COUNT);
  });

  it.each([
    ["without a buffer", {}],
    ["behind a buffer, which a checkpoint empties", { buffer: { size: 500 } }],
  ])("takes a checkpoint while nobody answers, and asks again with any number of workers, %s", async (what, buffer) => {
    const outside = system({ open: false });
    const out = collected();
    const uri = `memory://lookup-kept-${what.length}`;
    const plan = planOf(buffer);
    const first = await run({ plan, connectors: outside.connectors(out), uri });
    await expect.poll(() => waiting(first)).toBeGreaterThanOrEqual(40);
    expect(await first.checkpoint()).toMatchObject({ ok: true });
    await first.stop("Cancel", false);
    outside.open = true;
    const restore = { kind: "checkpoint", epoch: 1, slots: 1 } as const;
    const two = [0, 1].map((slot) =>
      run({ plan, connectors: outside.connectors(out), uri, epoch: 2, slots: 2, slot, restore }),
    );
    for (const slot of await Promise.all(two)) expect(await slot.done).toBe("finished");
    expect(results(out)).toEqual({ records: COUNT, counted: COUNT });
  });

  it("lets nothing on its way go on behind a savepoint that stops it, but what waits is in the savepoint", async () => {
    const outside = system({ open: false });
    const out = collected();
    const slot = await run({ connectors: outside.connectors(out), uri: "memory://lookup-stop" });
    await expect.poll(() => waiting(slot)).toBeGreaterThanOrEqual(40);
    await slot.savepoint({ id: "s", uri: "memory://lookup-stop-s", pause: true, drain: false });
    const held = waiting(slot);
    outside.answer();
    await slot.checkpoint();
    expect([waiting(slot), results(out).records]).toEqual([held, 0]);
    slot.resume();
    expect(await slot.done).toBe("finished");
    expect(results(out)).toEqual({ records: COUNT, counted: COUNT });
  });

  it("gives what is answered while its user holds the sources the time of the clock, also after a restart", async () => {
    const outside = system({ open: false });
    const out = collected();
    const uri = "memory://lookup-paused";
    const byClock: Plan = {
      ...plan,
      nodes: plan.nodes.map((n) => (n.kind === "windowAggregate" ? { ...n, time: "processing" as const } : n)),
    };
    const clock = manualClock(50 * 3_600_000);
    const of = { plan: byClock, connectors: outside.connectors(out), uri, clock };
    const first = await run(of);
    await expect.poll(() => waiting(first)).toBeGreaterThanOrEqual(40);
    first.pause();
    await first.checkpoint();
    await first.stop("Cancel", false);
    outside.open = true;
    const second = await run({ ...of, attempt: 1 });
    await expect.poll(() => waiting(second)).toBe(0);
    expect(second.paused).toBe(true);
    second.resume();
    expect(await second.done).toBe("finished");
    const starts = out.lines.flatMap((line) => /"windowStart":(\d+)/.exec(line)?.[1] ?? []);
    expect([...new Set(starts)]).toEqual([String(50 * 3_600_000)]);
    expect(results(out)).toEqual({ records: COUNT, counted: COUNT });
  });

  it("waits for its answers in a drain, and gives the drain up when they do not come in time", async () => {
    const outside = system();
    const out = collected();
    const slot = await run({
      connectors: outside.connectors(out),
      uri: "memory://lookup-drain",
      start: { paused: false },
    });
    await slot.stop("Checkpoint", true);
    const { records, counted } = results(out);
    expect(counted).toBe(records);
    const stuck = system({ open: false });
    const other = await run({
      connectors: stuck.connectors(collected()),
      uri: "memory://lookup-stuck",
      checkpoint: { timeoutMs: 300 },
    });
    await expect.poll(() => waiting(other)).toBeGreaterThan(0);
    await expect(other.stop("Checkpoint", true)).rejects.toThrow(/records still wait at "known" \(\d+ records\)/);
    await expect(other.done).rejects.toMatchObject({ code: "DRAIN_ABANDONED" });
  });
});
