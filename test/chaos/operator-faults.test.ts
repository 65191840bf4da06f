import { setTimeout as delay } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { streamingJobs } from "../../src/controllers/weir-resources.ts";
import { fixedServer } from "../../src/kube/credentials.ts";
import type { Fault } from "../../src/local/faults/fault.ts";
import type { FaultProxy } from "../../src/local/faults/proxy.ts";
import { startFaultProxy } from "../../src/local/faults/proxy.ts";
import type { RunningOperator } from "../../src/main/operator.ts";
import { create, rests, runs, scaleTo, stop } from "../builders/crash-scenarios.ts";
import type { Act } from "../builders/crash-story.ts";
import { JOB, jobFacts } from "../builders/job-facts.ts";
import type { ReconcileRate } from "../builders/reconcile-rate.ts";
import { watchReconciles } from "../builders/reconcile-rate.ts";
import { startEmbeddedGround, type EmbeddedGround } from "../servers/embedded-ground.ts";
import type { Ground, Happenings } from "../servers/weir-ground.ts";

/** For what never comes: it is stable within a minute, which is printed. */
const PATIENCE_MS = 180_000;
const MOST_A_SECOND = 10;

let embedded: EmbeddedGround;
let ground: Ground;
let proxy: FaultProxy;
let operator: RunningOperator;
let rate: ReconcileRate;
let namespace = "";
let happenings: Happenings;

beforeAll(async () => {
  embedded = await startEmbeddedGround();
  ({ ground } = embedded);
});
afterAll(async () => {
  await embedded.stop();
});

let count = 0;
beforeEach(async () => {
  namespace = `faults-${++count}`;
  happenings = await ground.open(namespace);
  proxy = await startFaultProxy(fixedServer(embedded.api.url));
  await startOperator();
  rate = watchReconciles(operator);
});
afterEach(async () => {
  rate.stop();
  await operator.stop();
  await proxy.close();
  await ground.clear(namespace);
});

async function startOperator(): Promise<void> {
  const probes = { host: "127.0.0.1", port: 0 };
  operator = await ground.operator(namespace, { server: fixedServer(proxy.url), probes });
  await operator.leading;
}

const job = () => ground.jobs.get(`${namespace}/${JOB}`);
const facts = () => jobFacts(ground, namespace, happenings);
const play = async (act: Act): Promise<void> => {
  await act.do(ground, namespace);
  await ground.until("arrived", () => act.arrived(job()), facts, PATIENCE_MS);
};

interface BadDay {
  readonly name: string;
  readonly faults: readonly Fault[];
  /** What else happens when it ends. */
  readonly end?: () => void;
}

const answers = (status: 409 | 410 | 429 | 500 | 503, more: Partial<Fault> = {}): Fault => ({
  effect: { kind: "Answer", status, ...(status === 429 ? { retryAfterSeconds: 1 } : {}) },
  ...more,
});
const writes = { verb: ["create", "update", "patch", "delete"] } as const;

const badDays: readonly BadDay[] = [
  { name: "409 three times", faults: [answers(409, { match: writes, times: 3 })] },
  { name: "429 with Retry-After", faults: [answers(429, { match: writes, times: 3 })] },
  { name: "500", faults: [answers(500, { times: 8 })] },
  { name: "503 for everything", faults: [answers(503)] },
  { name: "410 for every watch", faults: [answers(410, { match: { verb: "watch" } })], end: () => proxy.cutWatches() },
  {
    name: "connections that break before and after the write",
    faults: [
      { effect: { kind: "Cut", when: "BeforeAcknowledgement" }, match: writes, times: 3 },
      { effect: { kind: "Cut", when: "BeforeSend" }, match: writes, times: 3 },
    ],
  },
  {
    // A server that loses events does not live: its watches end with it, and the next one has another history.
    name: "lost events",
    faults: [{ effect: { kind: "Event", fate: "Drop" } }],
    end: () => proxy.expireWatches(),
  },
  { name: "repeated events", faults: [{ effect: { kind: "Event", fate: "Duplicate" } }] },
  {
    name: "late events out of order",
    faults: [{ effect: { kind: "Event", fate: "Withhold" }, match: { resource: "pods" } }],
    end: () => proxy.release(),
  },
];

describe("the operator on a bad day", () => {
  it.each(badDays)("is stable soon after $name, and never hurries", async ({ name, faults, end }) => {
    const acts = [create(), scaleTo(2)];
    const took: number[] = [];
    for (const act of acts) {
      for (const fault of faults) proxy.inject(fault);
      if (name.startsWith("410")) proxy.cutWatches();
      await act.do(ground, namespace);
      await delay(3_000);
      await ground.until("struck", () => proxy.strikes > 0, facts, PATIENCE_MS);
      proxy.heal();
      end?.();
      const healed = performance.now();
      await ground.until("stable", () => act.arrived(job()), facts, PATIENCE_MS);
      took.push(Math.round(performance.now() - healed));
    }
    console.log(
      `C5 ${name}: ${proxy.strikes} strikes, stable after ${took.join(" and ")} ms, at most ${rate.most.toFixed(1)} reconciles a second`,
    );
    expect(rate.most).toBeLessThanOrEqual(MOST_A_SECOND);
    expect(happenings.created.filter((what) => what.startsWith("Pod")).toSorted()).toEqual(
      ["1-0-0", "2-0-0", "2-1-0"].map((pod) => `Pod ${JOB}-${pod}`),
    );
  });
});

const failing: Act = {
  ...create({ startFrom: { savepoint: "file:///var/lib/weir/no-such-savepoint" } }),
  arrived: (j) => j?.status?.state === "FAILED" && j.status.operation === undefined,
};

/** What ten operators write, one after another; each lists, connects to and decides everything as if for the first time. */
async function writesInTenResyncs(): Promise<string[]> {
  const before = proxy.writes.length;
  for (let resync = 1; resync <= 10; resync++) {
    await operator.stop();
    await startOperator();
    const annotations = { "example.com/touched": `${before}/${resync}` };
    await ground.client.patch(streamingJobs, { namespace, name: JOB }, { metadata: { annotations } });
    await delay(500);
  }
  await delay(6_000); // longer than the silence after which a worker counts as unreachable
  return proxy.writes.slice(before).map(({ call }) => `${call.verb} ${call.resource} ${call.subresource ?? ""}`);
}

describe("a job that nothing happens to", () => {
  it.each([
    { name: "RUNNING", acts: [create()], holds: runs },
    { name: "STOPPED", acts: [create(), stop], holds: (j: ReturnType<typeof job>) => rests(j, "STOPPED") },
    { name: "FAILED", acts: [failing], holds: failing.arrived },
  ])("causes no write in ten resyncs while it is $name", async ({ name, acts, holds }) => {
    for (const act of acts) await play(act);
    await delay(5_000); // the figures settle: two intervals of the workers
    // Something happens to the job when the machine lets its worker wait; what has no reason is written every time.
    const rounds: string[][] = [];
    while (rounds.length < 3 && rounds.at(-1)?.length !== 0) rounds.push(await writesInTenResyncs());
    console.log(`C7 ${name}: ${rounds.map((round) => round.length).join(", then ")} writes in 10 resyncs`);
    expect(rounds.at(-1), JSON.stringify(rounds)).toEqual([]);
    expect(holds(job())).toBe(true);
  });
});
