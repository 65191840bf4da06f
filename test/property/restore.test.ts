import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { startSlot, type RunningSlot } from "../../src/engine/runtime/slot.ts";
import { completeSavepoint } from "../../src/engine/checkpoint/savepoint.ts";
import { openStorage } from "../../src/engine/checkpoint/storage.ts";
import { datagenGenerator } from "../../src/engine/connectors/datagen/generator.ts";
import type { RestorePoint } from "../../src/api/worker-protocol.ts";
import { systemClock } from "../../src/clock.ts";
import { countingPlan, countingProgram } from "../builders/counting-program.ts";
import { collected, type Collected } from "../builders/collected-sink.ts";
import { startDocumentOf } from "../builders/worker-process.ts";

const SPLITS = 6;
const COUNT = 90_000;
const datagen = {
  splits: SPLITS,
  rate: 0,
  count: COUNT,
  fields: [
    { path: "tenant", key: { prefix: "t", count: 40 } },
    { path: "ts", timestamp: {} },
  ],
};
let space = 0;

/** What a run without any interruption writes: every n from 1 to the tenant's total, once. */
function expected(): Map<string, number> {
  const generator = datagenGenerator(datagen);
  const totals = new Map<string, number>();
  const buf = Buffer.alloc(generator.maxBytes);
  for (let split = 0; split < SPLITS; split++) {
    for (let index = 0; index < COUNT / SPLITS; index++) {
      const end = generator.write(buf, 0, { split, index });
      const { tenant } = JSON.parse(buf.toString("utf8", 0, end)) as { tenant: string };
      totals.set(tenant, (totals.get(tenant) ?? 0) + 1);
    }
  }
  return totals;
}

interface Job {
  readonly uri: string;
  readonly out: Collected;
  /** 0: no checkpoint but those that are asked for. */
  readonly intervalMs: number;
  epoch: number;
  restore: RestorePoint;
  /** A savepoint was taken: from here on nothing may start empty, even before an epoch's first checkpoint. */
  hasState?: true;
}

async function launch(job: Job, slots: number): Promise<RunningSlot[]> {
  const running = await Promise.all(Array.from({ length: slots }, (_, slot) => start(job, slot, slots)));
  if (job.hasState === true) expect(running.filter((r) => r.restored === null)).toEqual([]);
  return running;
}

function start(job: Job, slot: number, slots: number): Promise<RunningSlot> {
  return startSlot({
    plan: countingPlan({ datagen, sink: { connector: "collect", config: {} } }),
    start: startDocumentOf({
      epoch: job.epoch,
      slots,
      restore: job.restore,
      checkpoint: { ...startDocumentOf().checkpoint, intervalMs: job.intervalMs, uri: job.uri },
    }),
    slot,
    attempt: 0,
    build: countingProgram,
    connectors: job.out.connectors,
    clock: systemClock,
    resolvePath: (path) => path,
    secret: () => undefined,
    configMap: () => undefined,
    listener: {},
    signal: new AbortController().signal,
  });
}

const turns = async (n: number): Promise<void> => {
  for (let i = 0; i < n; i++) await new Promise((resolve) => setImmediate(resolve));
};

/** What happens to a running job next. */
const act = fc.oneof(
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("crash" as const), after: fc.nat(12) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("checkpoint" as const), after: fc.nat(12) }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant("recover" as const),
      after: fc.nat(12),
      slots: fc.integer({ min: 1, max: 5 }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant("savepoint" as const),
      after: fc.nat(12),
      slots: fc.integer({ min: 1, max: 5 }),
    }),
  },
);
type Act = typeof act extends fc.Arbitrary<infer T> ? T : never;

async function died(running: readonly RunningSlot[]): Promise<void> {
  await Promise.all(running.map((r) => r.stop("Cancel", false)));
}

async function runAct(job: Job, running: RunningSlot[], step: Act): Promise<number> {
  await turns(step.after);
  if (step.kind === "checkpoint") {
    await Promise.all(running.map((r) => r.checkpoint()));
    return -1;
  }
  if (step.kind === "crash") {
    await died(running);
    return running.length;
  }
  if (step.kind === "recover") {
    await died(running);
    job.restore = { kind: "checkpoint", epoch: job.epoch, slots: running.length };
    job.epoch++;
    return step.slots;
  }
  const uri = `${job.uri}/savepoint-${job.epoch}`;
  const parts = await partsOf(running, uri);
  if (parts === undefined) {
    running.forEach((r) => r.resume());
    return -1;
  }
  await completeSavepoint(
    openStorage(uri, (p) => p),
    parts,
  );
  await Promise.all(running.map((r) => r.stop("Savepoint", false)));
  job.hasState = true;
  job.restore = { kind: "savepoint", uri, allowNonRestoredState: false };
  job.epoch++;
  return step.slots;
}

/** Of all workers; none where one of them has read everything before it was asked. */
async function partsOf(running: readonly RunningSlot[], uri: string) {
  const asked = running.map((r) => r.savepoint({ id: "s", uri, pause: true, drain: false }));
  const answers = await Promise.allSettled(asked);
  const refusals = answers.filter((answer) => answer.status === "rejected").map(({ reason }) => reason as Error);
  const unexpected = refusals.find(({ message }) => !message.includes("has read all of its input and has ended"));
  if (unexpected !== undefined) throw unexpected;
  return refusals.length === 0 ? await Promise.all(asked) : undefined;
}

describe("a job that is interrupted at random places", () => {
  const totals = expected();

  it("loses nothing and counts nothing twice, over crashes, recoveries and savepoints at any parallelism", async () => {
    const done = { jobs: 0, crash: 0, checkpoint: 0, recover: 0, savepoint: 0 };
    await fc.assert(
      fc.asyncProperty(
        fc.array(act, { minLength: 1, maxLength: 6 }),
        fc.record({ slots: fc.integer({ min: 1, max: 5 }), intervalMs: fc.constantFrom(0, 3) }),
        async (acts, { slots, intervalMs }) => {
          const job: Job = {
            uri: `memory://restore-${space++}`,
            out: collected(),
            intervalMs,
            epoch: 1,
            restore: { kind: "none" },
          };
          let running = await launch(job, slots);
          done.jobs++;
          for (const step of acts) {
            const next = await runAct(job, running, step);
            if (step.kind !== "savepoint" || next > 0) done[step.kind]++;
            if (next > 0) running = await launch(job, next);
          }
          await Promise.all(running.map((r) => r.done));
          const seen = new Map<string, Set<number>>();
          for (const line of job.out.lines) {
            const { k, n } = JSON.parse(line) as { k: string; n: number };
            seen.set(k, (seen.get(k) ?? new Set()).add(n));
          }
          const highest = new Map([...seen].map(([k, ns]) => [k, Math.max(...ns)] as const));
          expect(highest).toEqual(totals);
          expect([...seen].filter(([k, ns]) => ns.size !== totals.get(k))).toEqual([]);
        },
      ),
      { numRuns: process.env["WEIR_LONG"] === "1" ? 500 : 25 },
    );
    expect(done.savepoint).toBeGreaterThan(0);
    console.log(`interrupted jobs of ${COUNT} records: ${JSON.stringify(done)}, lost 0, twice 0`);
  });

  it("writes each result exactly once over savepoints alone", async () => {
    const done = { jobs: 0, savepoints: 0 };
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.record({ after: fc.nat(15), slots: fc.integer({ min: 1, max: 5 }) }), {
          minLength: 1,
          maxLength: 5,
        }),
        async (moves) => {
          const job: Job = {
            uri: `memory://savepoint-${space++}`,
            out: collected(),
            intervalMs: 3,
            epoch: 1,
            restore: { kind: "none" },
          };
          let running = await launch(job, 1);
          done.jobs++;
          for (const move of moves) {
            const n = await runAct(job, running, { kind: "savepoint", ...move });
            if (n < 0) break;
            done.savepoints++;
            running = await launch(job, n);
          }
          await Promise.all(running.map((r) => r.done));
          const all = [...totals.values()].reduce((a, b) => a + b, 0);
          expect(new Set(job.out.lines).size).toBe(all);
          expect(job.out.lines.length).toBe(all);
        },
      ),
      { numRuns: process.env["WEIR_LONG"] === "1" ? 300 : 15 },
    );
    expect(done.savepoints).toBeGreaterThan(done.jobs / 2);
    console.log(`jobs that are moved by savepoints: ${JSON.stringify(done)}, each result once`);
  });
});
