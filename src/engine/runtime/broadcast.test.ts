import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { collected } from "../../../test/builders/collected-sink.ts";
import { memoryExchanges } from "../../../test/builders/memory-exchange.ts";
import { runSlot, type SlotSetting } from "../../../test/builders/running-slot.ts";
import { compile } from "../codegen/compile.ts";
import { planPipeline } from "../planner/plan-pipeline.ts";
import type { Plan } from "../plan.ts";
import type { RunningSlot } from "./slot.ts";

let folder = "";
const running: RunningSlot[] = [];
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "weir-broadcast-"));
});
afterEach(async () => {
  await Promise.all(running.splice(0).map((slot) => slot.stop("Cancel", false)));
  await rm(folder, { recursive: true, force: true, maxRetries: 5 });
});

const COUNT = 6_000;
const TENANTS = 12;

/** Orders of twelve tenants with a table of eight, in two files, one of them with a correction. */
async function planned(): Promise<Plan> {
  const rows = Array.from({ length: 8 }, (_, i) => JSON.stringify({ id: `t${i}`, city: `c${i}` }));
  await writeFile(
    join(folder, "a.ndjson"),
    [JSON.stringify({ id: "t0", city: "old" }), ...rows.slice(0, 4)].join("\n"),
  );
  await writeFile(join(folder, "b.ndjson"), rows.slice(4).join("\n"));
  const plan = planPipeline(
    {
      nodes: [
        {
          name: "orders",
          source: {
            datagen: {
              splits: 4,
              rate: 0,
              count: COUNT,
              fields: [
                { path: "tenant", key: { prefix: "t", count: TENANTS } },
                { path: "n", sequence: {} },
              ],
            },
          },
          partitionedBy: "event.tenant",
        },
        { name: "files", source: { file: { path: folder } } },
        { name: "tenants", from: ["files"], filter: "event.city != ''" },
        {
          name: "placed",
          from: ["orders"],
          broadcast: {
            from: "tenants",
            leftKey: "left.tenant",
            rightKey: "right.id",
            type: "Left",
            select: { tenant: "left.tenant", n: "left.n", city: "right.city" },
          },
        },
        { name: "out", from: ["placed"], sink: { blackhole: {} } },
      ],
    },
    { parameters: {}, maxParallelism: 4 },
  );
  return { ...plan, sinks: plan.sinks.map((s) => ({ ...s, connector: "collect" })) };
}

async function run(of: Pick<SlotSetting, "plan" | "connectors"> & Partial<SlotSetting>): Promise<RunningSlot> {
  const slot = await runSlot({ build: compile, uri: `file://${folder}-state`, ...of });
  running.push(slot);
  return slot;
}
const wrong = (lines: readonly string[]): string[] =>
  lines.filter((line) => {
    const { tenant, city } = JSON.parse(line) as { tenant: string; city: string | null };
    const number = Number(tenant.slice(1));
    return city !== (number < 8 ? `c${number}` : null);
  });

describe("a broadcast", () => {
  it("gives every worker the whole table before the first record meets it", async () => {
    const plan = await planned();
    const out = collected();
    const uri = "memory://broadcast-slots";
    const slots = [0, 1, 2].map((slot) => run({ plan, connectors: out.connectors, uri, slots: 3, slot }));
    for (const slot of await Promise.all(slots)) expect(await slot.done).toBe("finished");
    expect([out.lines.length, wrong(out.lines)]).toEqual([COUNT, []]);
  });

  it("has its table again after a restore, with any number of workers, and reads the others on where they were", async () => {
    const plan = await planned();
    const slow = (of: Plan): Plan => ({
      ...of,
      sources: of.sources.map((s) =>
        s.node === "orders" ? { ...s, config: { ...(s.config as object), readRate: 3_000 } } : s,
      ),
    });
    const out = collected();
    const uri = "memory://broadcast-rescale";
    const first = await run({ plan: slow(plan), connectors: out.connectors, uri });
    await expect.poll(() => first.measure().totalOut, { timeout: 60_000 }).toBeGreaterThan(0);
    const savepoint = "memory://broadcast-savepoint";
    const part = await first.savepoint({ id: "s", uri: savepoint, pause: true, drain: false });
    expect(part.slot).toBe(0);
    await first.checkpoint();
    await first.stop("Cancel", false);
    const before = out.lines.length;
    expect(before).toBeLessThan(COUNT);
    const restore = { kind: "checkpoint", epoch: 1, slots: 1 } as const;
    const slots = [0, 1].map((slot) =>
      run({ plan, connectors: out.connectors, uri, epoch: 2, slots: 2, slot, restore }),
    );
    for (const slot of await Promise.all(slots)) expect(await slot.done).toBe("finished");
    expect([out.lines.length, wrong(out.lines)]).toEqual([COUNT, []]);
  });

  it("is read also where the sources are held from the start, or records between workers could not be read", async () => {
    await writeFile(join(folder, "a.ndjson"), JSON.stringify({ id: "t0", city: "c0" }));
    const orders = {
      datagen: { splits: 2, count: 100, fields: [{ path: "tenant", key: { prefix: "t", count: TENANTS } }] },
    };
    const select = { tenant: "left.tenant", city: "right.city" };
    const plan = planPipeline(
      {
        connections: [{ name: "between", kafka: { brokers: ["nowhere:1"] } }],
        nodes: [
          { name: "orders", source: orders },
          { name: "tenants", source: { file: { path: folder } } },
          {
            name: "placed",
            from: ["orders"],
            broadcast: { from: "tenants", leftKey: "left.tenant", rightKey: "right.id", type: "Left", select },
          },
          { name: "counted", from: ["placed"], keyBy: "event.tenant", aggregate: { n: "count()" } },
          { name: "out", from: ["counted"], sink: { blackhole: {} } },
        ],
      },
      { parameters: {}, maxParallelism: 4 },
    );
    expect(plan.exchanges).toHaveLength(1);
    const start = { paused: true, exchange: { generation: 1 } };
    const connectors = memoryExchanges(collected().connectors);
    const common = {
      plan,
      connectors,
      uri: "memory://broadcast-held",
      slots: 2,
      start,
      checkpoint: { timeoutMs: 60_000 },
    };
    const slots = await Promise.all([0, 1].map((slot) => run({ ...common, slot })));
    const where = { id: "s", uri: "memory://broadcast-held-savepoint", pause: true, drain: false };
    const parts = await Promise.all(slots.map((slot) => slot.savepoint(where)));
    expect(parts.map((part) => part.slot)).toEqual([0, 1]);
  });

  it("is no part of lag, and its source's state is not saved", async () => {
    const plan = await planned();
    expect(plan.sources.map((s) => [s.node, s.broadcast])).toEqual([
      ["orders", undefined],
      ["files", true],
    ]);
    expect(plan.parallelismLimit).toBeNull();
  });
});
