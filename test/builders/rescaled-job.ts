import type { Pipeline } from "../../src/api/pipeline.schema.ts";
import type { RestorePoint } from "../../src/api/worker-protocol.ts";
import { compile } from "../../src/engine/codegen/compile.ts";
import { datagenGenerator } from "../../src/engine/connectors/datagen/generator.ts";
import type { ConnectorRegistry } from "../../src/engine/connectors/registry.ts";
import type { Delivery, Plan } from "../../src/engine/plan.ts";
import { planPipeline } from "../../src/engine/planner/plan-pipeline.ts";
import type { RunningSlot } from "../../src/engine/runtime/slot.ts";
import { collected, type Collected } from "./collected-sink.ts";
import { runSlot } from "./running-slot.ts";

const WINDOW_MS = 500;
const SPLITS = 8;

/** Events come up to two seconds after their time, and the source waits for 200 ms: many are late. */
const datagenOf = (count: number, readRate: number) => ({
  splits: SPLITS,
  rate: 0,
  ...(readRate === 0 ? {} : { readRate }),
  count,
  eventRate: 2000,
  outOfOrderness: "2s",
  fields: [
    { path: "tenant", key: { prefix: "t", count: 40 } },
    { path: "ts", timestamp: {} },
    { path: "seq", sequence: {} },
  ],
});

/** Events that a join takes are one in so many, on its left and on its right. */
const someOf = (count: number): number => Math.round(count / 3000);
const fewOf = (count: number): number => someOf(count) * 5;

interface RescaledJob {
  readonly count: number;
  /** Events that a worker reads in a second: time in which it does not read is no time of the input's. 0 is as fast as it can. */
  readonly readRate?: number;
  /** Its keys are the splits', or go through Kafka at these brokers. */
  readonly keys: "declared" | { readonly brokers: readonly string[]; readonly delivery: Delivery };
}

/** A job whose results and late records say which events are in them. */
export function rescaledPlan({ count, readRate = 0, keys }: RescaledJob): Plan {
  const declared = keys === "declared";
  const pipeline: Pipeline = {
    connections: declared ? [] : [{ name: "between", kafka: { brokers: [...keys.brokers] } }],
    nodes: [
      {
        name: "events",
        source: { datagen: datagenOf(count, readRate) },
        ...(declared ? { partitionedBy: "event.tenant" } : {}),
        eventTime: { field: "event.ts", maxOutOfOrderness: "200ms" },
      },
      {
        name: "windows",
        from: ["events"],
        keyBy: "event.tenant",
        window: { tumbling: { size: `${WINDOW_MS}ms` } },
        aggregate: { n: "count()", seqs: "collect(event.seq, 10000)" },
      },
      { name: "some", from: ["events"], filter: `event.seq % ${someOf(count)} == 0` },
      { name: "few", from: ["events"], filter: `event.seq % ${fewOf(count)} == 1` },
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
  };
  const delivery = declared ? "AtLeastOnce" : keys.delivery;
  const plan = planPipeline(pipeline, { parameters: {}, maxParallelism: 16, delivery });
  return { ...plan, sinks: plan.sinks.map((sink) => ({ ...sink, connector: "collect" })) };
}

/** A worker, and what it has written. Of what comes behind its last checkpoint nothing counts after a restore from that. */
export interface RescaledWorker {
  readonly slot: RunningSlot;
  readonly out: Collected;
  counts: number;
}

interface Launch {
  readonly plan: Plan;
  readonly uri: string;
  readonly epoch: number;
  readonly restore: RestorePoint;
  readonly intervalMs?: number;
  readonly generation?: number;
  readonly job?: string;
  /** What else the slots read from and write to. */
  readonly connectors?: (others: ConnectorRegistry) => ConnectorRegistry;
}

export async function launchRescaled(of: Launch, slots: number): Promise<RescaledWorker[]> {
  const { plan, uri, epoch, restore, intervalMs = 0, generation, job = "rollup", connectors = (o) => o } = of;
  const start = async (slot: number): Promise<RescaledWorker> => {
    const out = collected();
    const worker = { out, counts: 0 };
    const running = await runSlot({
      plan,
      connectors: connectors(out.connectors),
      uri,
      slot,
      slots,
      epoch,
      restore,
      checkpoint: { intervalMs, timeoutMs: 60_000 },
      start: { job, lineage: `line-${job}`, ...(generation === undefined ? {} : { exchange: { generation } }) },
      build: compile,
      listener: {
        checkpoint: ({ ok }) => {
          if (ok) worker.counts = out.lines.length;
        },
      },
    });
    return Object.assign(worker, { slot: running });
  };
  return await Promise.all(Array.from({ length: slots }, (_, slot) => start(slot)));
}

interface Row {
  readonly tenant: string;
  readonly seq?: number;
  readonly seqs?: number[];
  readonly left?: number;
  readonly right?: number;
}

/** How often each event is in a result or among the late ones, how many of them are late, and what the join gave. */
export function tallyOf(workers: readonly RescaledWorker[]) {
  const seen = new Map<string, number>();
  const pairs: string[] = [];
  let late = 0;
  const count = (tenant: string, seq: number): void =>
    void seen.set(`${tenant} ${seq}`, (seen.get(`${tenant} ${seq}`) ?? 0) + 1);
  for (const { out, counts } of workers)
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

/** What the join gives: all pairs of some of a tenant's events, however late they are. */
function everyPair(events: readonly string[]): string[] {
  const parsed = events.map((id) => id.split(" ") as [string, string]);
  const few = Map.groupBy(
    parsed.filter(([, seq]) => Number(seq) % fewOf(events.length) === 1),
    ([tenant]) => tenant,
  );
  return parsed
    .filter(([, seq]) => Number(seq) % someOf(events.length) === 0)
    .flatMap(([tenant, left]) => (few.get(tenant) ?? []).map(([, right]) => `${tenant} ${left} ${right}`))
    .toSorted();
}

export interface Expected {
  readonly events: readonly string[];
  readonly pairs: readonly string[];
}

/** What a job of so many events is to give, once each. */
export function expectedOf(count: number): Expected {
  const events = everyEvent(count);
  return { events, pairs: everyPair(events) };
}

function everyEvent(count: number): string[] {
  const generator = datagenGenerator(datagenOf(count, 0));
  const buf = Buffer.alloc(generator.maxBytes);
  const ids: string[] = [];
  for (let split = 0; split < SPLITS; split++)
    for (let index = 0; index < count / SPLITS; index++) {
      const { tenant, seq } = JSON.parse(buf.toString("utf8", 0, generator.write(buf, 0, { split, index }))) as {
        tenant: string;
        seq: number;
      };
      ids.push(`${tenant} ${seq}`);
    }
  return ids;
}

/** What is wrong with a tally: nothing is expected to be. */
export function differences({ events, pairs }: Expected, tally: ReturnType<typeof tallyOf>) {
  const { seen } = tally;
  const lost = events.filter((id) => !seen.has(id)).length;
  const twice = [...seen.values()].filter((n) => n > 1).length;
  const pair = tally.pairs.find((row, i) => row !== pairs[i]);
  return { lost, twice, others: seen.size - events.length + lost, pairs: tally.pairs.length - pairs.length, pair };
}

export const NO_DIFFERENCE = { lost: 0, twice: 0, others: 0, pairs: 0, pair: undefined };

export const turns = async (n: number): Promise<void> => {
  for (let i = 0; i < n; i++) await new Promise((resolve) => setImmediate(resolve));
};
