import { describe, expect, it } from "vitest";
import type { RestorePoint } from "../../src/api/worker-protocol.ts";
import { compile } from "../../src/engine/codegen/compile.ts";
import { datagenGenerator } from "../../src/engine/connectors/datagen/generator.ts";
import type { Plan } from "../../src/engine/plan.ts";
import { planPipeline } from "../../src/engine/planner/plan-pipeline.ts";
import type { RunningSlot } from "../../src/engine/runtime/slot.ts";
import { collected, type Collected } from "../builders/collected-sink.ts";
import { runSlot, stopWithSavepoint } from "../builders/running-slot.ts";

const MOVES = [
  [2, 4],
  [4, 2],
  [2, 5],
  [5, 3],
  [3, 4],
] as const;
const WINDOW_MS = 500;
const SPLITS = 8;
const COUNT = process.env["WEIR_LONG"] === "1" ? 2_000_000 : 300_000;
/** Events that a join takes are one in so many, on its left and on its right. */
const SOME = Math.round(COUNT / 3000);
const FEW = SOME * 5;
/** Events come up to two seconds after their time, and the source waits for 200 ms: many are late. */
const datagen = {
  splits: SPLITS,
  rate: 0,
  count: COUNT,
  eventRate: 2000,
  outOfOrderness: "2s",
  fields: [
    { path: "tenant", key: { prefix: "t", count: 40 } },
    { path: "ts", timestamp: {} },
    { path: "seq", sequence: {} },
  ],
};

function planOf(): Plan {
  const plan = planPipeline(
    {
      nodes: [
        {
          name: "events",
          source: { datagen },
          partitionedBy: "event.tenant",
          eventTime: { field: "event.ts", maxOutOfOrderness: "200ms" },
        },
        {
          name: "windows",
          from: ["events"],
          keyBy: "event.tenant",
          window: { tumbling: { size: `${WINDOW_MS}ms` } },
          aggregate: { n: "count()", seqs: "collect(event.seq, 10000)" },
        },
        { name: "some", from: ["events"], filter: `event.seq % ${SOME} == 0` },
        { name: "few", from: ["events"], filter: `event.seq % ${FEW} == 1` },
        {
          name: "pairs",
          from: ["some", "few"],
          join: {
            leftKey: "left.tenant",
            rightKey: "right.tenant",
            select: { tenant: "left.tenant", left: "left.seq", right: "right.seq" },
          },
        },
        { name: "joined", from: ["pairs"], sink: { blackhole: {} } },
        { name: "results", from: ["windows"], sink: { blackhole: {} } },
        { name: "late", from: ["windows.late"], sink: { blackhole: {} } },
      ],
    },
    { parameters: {}, maxParallelism: 16 },
  );
  return { ...plan, sinks: plan.sinks.map((sink) => ({ ...sink, connector: "collect" })) };
}

/** A worker, and what it has written. Of what comes behind its last checkpoint nothing counts after a restore from that. */
interface Worker {
  readonly slot: RunningSlot;
  readonly out: Collected;
  counts: number;
}

async function launch(of: { plan: Plan; uri: string; epoch: number; restore: RestorePoint }, slots: number) {
  const start = async (slot: number): Promise<Worker> => {
    const out = collected();
    const { plan, uri, epoch, restore } = of;
    const running = await runSlot({
      plan,
      connectors: out.connectors,
      uri,
      slot,
      slots,
      epoch,
      restore,
      build: compile,
    });
    return { slot: running, out, counts: 0 };
  };
  return await Promise.all(Array.from({ length: slots }, (_, slot) => start(slot)));
}

const turns = async (n: number): Promise<void> => {
  for (let i = 0; i < n; i++) await new Promise((resolve) => setImmediate(resolve));
};

type From = "savepoint" | "checkpoint" | "nothing yet";

/** Ends the workers at a random moment of the job, and says where the next go on and what of their output counts. */
async function end(workers: Worker[], from: From, at: { uri: string; epoch: number }): Promise<RestorePoint> {
  const { uri, epoch } = at;
  if (from === "savepoint") {
    const restore = await stopWithSavepoint(
      workers.map((w) => w.slot),
      `${uri}/savepoint-${epoch}`,
    );
    for (const worker of workers) worker.counts = worker.out.lines.length;
    return restore;
  }
  if (from === "checkpoint") {
    for (const { slot } of workers) slot.pause();
    for (const worker of workers) {
      expect((await worker.slot.checkpoint()).ok).toBe(true);
      worker.counts = worker.out.lines.length;
    }
    for (const { slot } of workers) slot.resume();
    await turns(2);
  }
  // At its end a worker takes a checkpoint of its own.
  for (const { slot } of workers) expect(slot.measure().totalIn).toBeLessThan(COUNT / workers.length);
  await Promise.all(workers.map(({ slot }) => slot.stop("Cancel", false)));
  return { kind: "checkpoint", epoch, slots: workers.length };
}

/** Every event's id → how often it is in a result or among the late ones; and how many of them are late. */
async function rescaled([before, after]: readonly [number, number], from: From) {
  const uri = `memory://rescale-${before}-${after}-${from.replaceAll(" ", "-")}`;
  const plan = planOf();
  const first = await launch({ plan, uri, epoch: 1, restore: { kind: "none" } }, before);
  await turns(3);
  const restore = await end(first, from, { uri, epoch: 1 });
  const second = await launch({ plan, uri, epoch: 2, restore }, after);
  await Promise.all(second.map(({ slot }) => slot.done));
  for (const worker of second) worker.counts = worker.out.lines.length;
  const seen = new Map<string, number>();
  const pairs: string[] = [];
  let late = 0;
  const count = (tenant: string, seq: number): void =>
    void seen.set(`${tenant} ${seq}`, (seen.get(`${tenant} ${seq}`) ?? 0) + 1);
  for (const { out, counts } of [...first, ...second])
    for (const line of out.lines.slice(0, counts)) {
      const row = JSON.parse(line) as Row;
      if (row.left !== undefined) pairs.push(`${row.tenant} ${row.left} ${row.right}`);
      if (row.seq !== undefined) {
        late++;
        count(row.tenant, row.seq);
      }
      for (const seq of row.seqs ?? []) count(row.tenant, seq);
    }
  return { seen, late, pairs: pairs.toSorted() };
}

interface Row {
  readonly tenant: string;
  readonly seq?: number;
  readonly seqs?: number[];
  readonly left?: number;
  readonly right?: number;
}

/** What the join gives: all pairs of some of a tenant's events, however late they are. */
function everyPair(events: readonly string[]): string[] {
  const parsed = events.map((id) => id.split(" ") as [string, string]);
  const few = Map.groupBy(
    parsed.filter(([, seq]) => Number(seq) % FEW === 1),
    ([tenant]) => tenant,
  );
  return parsed
    .filter(([, seq]) => Number(seq) % SOME === 0)
    .flatMap(([tenant, left]) => (few.get(tenant) ?? []).map(([, right]) => `${tenant} ${left} ${right}`))
    .toSorted();
}

function everyEvent(): string[] {
  const generator = datagenGenerator(datagen);
  const buf = Buffer.alloc(generator.maxBytes);
  const ids: string[] = [];
  for (let split = 0; split < SPLITS; split++)
    for (let index = 0; index < COUNT / SPLITS; index++) {
      const { tenant, seq } = JSON.parse(buf.toString("utf8", 0, generator.write(buf, 0, { split, index }))) as {
        tenant: string;
        seq: number;
      };
      ids.push(`${tenant} ${seq}`);
    }
  return ids;
}

describe("a job that gets another number of workers, with events that are late", () => {
  const expected = everyEvent();
  const expectedPairs = everyPair(expected);

  it.each(
    (["savepoint", "checkpoint", "nothing yet"] as const).flatMap((from) => MOVES.map((move) => [move, from] as const)),
  )(
    "from %j by %s: each event is in one result or among the late ones, and each pair of a join comes, once",
    async (move, from) => {
      const { seen, late, pairs } = await rescaled(move, from);
      const lost = expected.filter((id) => !seen.has(id)).length;
      const twice = [...seen.values()].filter((n) => n > 1).length;
      console.log(
        `rescale ${move.join(" → ")} from ${from}: ${expected.length} events, ${late} late, lost ${lost}, twice ${twice}; ${pairs.length} pairs`,
      );
      expect(late).toBeGreaterThan(0);
      expect(pairs.length).toBe(expectedPairs.length);
      expect(pairs.find((pair, i) => pair !== expectedPairs[i])).toBeUndefined();
      expect({ lost, twice, others: seen.size - expected.length + lost }).toEqual({ lost: 0, twice: 0, others: 0 });
    },
  );
});
