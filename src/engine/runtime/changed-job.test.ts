/** Jobs that are changed between two runs, and start from a savepoint that the job before really wrote. */
import { describe, expect, it } from "vitest";
import { collected, type Collected } from "../../../test/builders/collected-sink.ts";
import { runSlot, stopWithSavepoint } from "../../../test/builders/running-slot.ts";
import type { PipelineNode } from "../../api/pipeline.schema.ts";
import type { RestorePoint } from "../../api/worker-protocol.ts";
import { compile } from "../codegen/compile.ts";
import type { KeyedProcessFunction, SavedState } from "../functions/author.ts";
import { planPipeline } from "../planner/plan-pipeline.ts";

interface Event {
  readonly k: string;
  readonly v: number;
}
const RECORDS = 20_000;
const fields = [
  { path: "k", key: { prefix: "k", count: 40 } },
  { path: "ts", timestamp: {} },
  { path: "v", uniform: { min: 0, max: 50 } },
];
const events: PipelineNode = {
  name: "events",
  source: { datagen: { splits: 4, rate: 0, count: RECORDS, eventRate: 2_000, fields } },
  partitionedBy: "event.k",
  eventTime: { field: "event.ts" },
};
const totals: PipelineNode = { name: "totals", from: ["events"], keyBy: "event.k", process: { function: "total" } };
const counts: PipelineNode = {
  name: "counts",
  from: ["events"],
  keyBy: "event.k",
  aggregate: { n: "count()" },
  window: { tumbling: { size: "3s" } },
};

interface Job {
  readonly nodes: readonly PipelineNode[];
  readonly code?: KeyedProcessFunction<Event>;
}

function planOf({ nodes }: Job) {
  const sinks = nodes.map(({ name }): PipelineNode => ({ name: `${name}-out`, from: [name], sink: { blackhole: {} } }));
  const functions = nodes.includes(totals) ? [{ name: "total", module: { path: "/total.mjs" } }] : [];
  const plan = planPipeline({ functions, nodes: [events, ...nodes, ...sinks] }, { parameters: {}, maxParallelism: 8 });
  return { ...plan, sinks: plan.sinks.map((sink) => ({ ...sink, connector: "collect" })) };
}

type Run = { readonly out: Collected; readonly uri: string; readonly restore?: RestorePoint; readonly epoch?: number };

function start(job: Job, slot: number, { out, ...run }: Run & { readonly slots: number }) {
  const importModule = () => Promise.resolve({ exports: { default: job.code }, url: "file:///total.mjs" });
  const of = { plan: planOf(job), connectors: out.connectors, build: compile, importModule, slot, ...run };
  return runSlot({ ...of, start: { paused: true } });
}

/** The job runs for a moment and is stopped with a savepoint; far more than a moment's records are left. */
async function savedBy(job: Job, run: Run): Promise<RestorePoint> {
  const slot = await start(job, 0, { ...run, slots: 1 });
  slot.resume();
  for (let turn = 0; turn < 2; turn++) await new Promise((resolve) => setImmediate(resolve));
  const restore = await stopWithSavepoint([slot], `${run.uri}/savepoint`);
  expect(slot.measure().totalIn).toBeGreaterThan(0);
  expect(slot.measure().totalIn).toBeLessThan(RECORDS);
  return restore;
}

async function toTheEnd(job: Job, run: Run, workers: number): Promise<void> {
  const open = (_: unknown, slot: number) => start(job, slot, { ...run, slots: workers });
  const slots = await Promise.all(Array.from({ length: workers }, open));
  for (const slot of slots) slot.resume();
  await Promise.all(slots.map((slot) => slot.done));
}

const list: KeyedProcessFunction<Event> = {
  onRecord: ({ k, v }, { state, emit }) => {
    const amounts = state.list<number>("amounts");
    amounts.add(v);
    emit({ k, total: amounts.get().reduce((a, b) => a + b, 0) });
  },
};
const total: KeyedProcessFunction<Event> = {
  stateVersion: 2,
  migrate: ({ lists }: SavedState) => ({
    values: { total: (lists["amounts"] ?? []).reduce<number>((a, b) => a + Number(b), 0) },
    lists: {},
    maps: {},
  }),
  onRecord: ({ k, v }, { state, emit }) => {
    const kept = state.value<number>("total");
    kept.set((kept.get() ?? 0) + v);
    emit({ k, total: kept.get() });
  },
};

describe("a job that goes on from a savepoint after a change", () => {
  it("takes a function's state through migrate, and gives what the old function would have given", async () => {
    const [undisturbed, out] = [collected(), collected()];
    await toTheEnd({ nodes: [totals], code: list }, { out: undisturbed, uri: "memory://undisturbed" }, 1);
    const restore = await savedBy({ nodes: [totals], code: list }, { out, uri: "memory://migrated" });
    await toTheEnd({ nodes: [totals], code: total }, { out, uri: "memory://migrated", restore, epoch: 2 }, 2);
    expect(out.lines.toSorted()).toEqual(undisturbed.lines.toSorted());
  });

  it.each(["savepoint", "checkpoint"] as const)(
    "drops what a node kept that is gone, where its user allows it: from a %s",
    async (kind) => {
      const out = collected();
      const uri = `memory://dropped-${kind}`;
      const slot = await start({ nodes: [counts] }, 0, { out, uri, slots: 1 });
      slot.resume();
      await new Promise((resolve) => setImmediate(resolve));
      expect((await slot.checkpoint()).ok).toBe(true);
      let restore: RestorePoint = { kind: "checkpoint", epoch: 1, slots: 1 };
      if (kind === "savepoint") restore = await stopWithSavepoint([slot], `${uri}/savepoint`);
      else await slot.stop("Cancel", false);
      const now = { nodes: [{ ...counts, name: "counted" }] };
      const run = { out, uri, slots: 1 };
      await expect(start(now, 0, { ...run, epoch: 2, restore })).rejects.toMatchObject({ code: "RESTORE_REFUSED" });
      const allowed = { ...restore, allowNonRestoredState: true } as RestorePoint;
      const renamed = await start(now, 0, { ...run, epoch: 3, restore: allowed });
      expect(renamed.restored).not.toBeNull();
      renamed.resume();
      await renamed.done;
      expect(renamed.measure().totalIn).toBeLessThan(RECORDS);
    },
  );

  it.each<[what: string, before: Job, now: Job, reason: RegExp]>([
    [
      "the function keeps its state in another form and has no migrate",
      { nodes: [totals], code: list },
      { nodes: [totals], code: { ...list, stateVersion: 2 } },
      /function "total" \(\/total\.mjs\): the saved state has version 1, the function stateVersion 2; export migrate/,
    ],
    [
      "the function is an older one",
      { nodes: [totals], code: total },
      { nodes: [totals], code: list },
      /the saved state has version 2, the function stateVersion 1; bring back the function that wrote it/,
    ],
    [
      "a node is renamed",
      { nodes: [counts] },
      { nodes: [{ ...counts, name: "counted" }] },
      /the job no longer has node counts; bring it back under its name/,
    ],
    [
      "an aggregate is added",
      { nodes: [counts] },
      { nodes: [{ ...counts, aggregate: { n: "count()", sum: "sum(event.v)" } }] },
      /node counts keeps other state now \(saved nothing of it, now sum=sum\(event\.v\)\)/,
    ],
    [
      "a window has another size",
      { nodes: [counts] },
      { nodes: [{ ...counts, window: { tumbling: { size: "4s" } } }] },
      /saved window=tumbling\/3000\/0, now window=tumbling\/4000\/0/,
    ],
    [
      "the key is another one",
      { nodes: [counts] },
      { nodes: [{ ...counts, keyBy: "[event.k]" }] },
      /node counts keeps other state now \(saved key=event\.k; shards=declared, now key=\[event\.k\]; shards=local\)/,
    ],
  ])("refuses a start where %s, and leaves the savepoint to the job as it was", async (what, before, now, reason) => {
    const [undisturbed, out] = [collected(), collected()];
    const uri = `memory://${what.replaceAll(" ", "-")}`;
    await toTheEnd(before, { out: undisturbed, uri: `${uri}-undisturbed` }, 1);
    const restore = await savedBy(before, { out, uri });
    const refused = start(now, 0, { out, uri, restore, epoch: 2, slots: 1 });
    await expect(refused).rejects.toMatchObject({ code: "RESTORE_REFUSED" });
    await expect(refused).rejects.toThrow(reason);
    await toTheEnd(before, { out, uri, restore, epoch: 3 }, 2);
    expect(out.lines.toSorted()).toEqual(undisturbed.lines.toSorted());
  });
});
