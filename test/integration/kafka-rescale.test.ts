import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { RestorePoint } from "../../src/api/worker-protocol.ts";
import type { Delivery, Plan } from "../../src/engine/plan.ts";
import {
  differences,
  NO_DIFFERENCE,
  expectedOf,
  launchRescaled,
  rescaledPlan,
  tallyOf,
} from "../builders/rescaled-job.ts";
import type { RescaledWorker } from "../builders/rescaled-job.ts";
import { stopWithSavepoint } from "../builders/running-slot.ts";
import { startKafka, type KafkaServer } from "../servers/kafka.ts";

let kafka: KafkaServer;
beforeAll(async () => {
  kafka = await startKafka();
});
afterAll(() => kafka.close());

const LONG = process.env["WEIR_LONG"] === "1";
const COUNT = LONG ? 400_000 : 60_000;
const expected = expectedOf(COUNT);
/** Of a worker, so that the input outlasts many changes of workers on a busy machine; the last workers read the rest at once. */
const READ_RATE = LONG ? 4_000 : 1_000;
/** What each of the others reads before it is ended. */
const SOME = LONG ? 8_000 : 800;
const INTERVAL_MS = 150;

const planOf = (delivery: Delivery, readRate: number): Plan =>
  rescaledPlan({ count: COUNT, readRate, keys: { brokers: kafka.brokers, delivery } });

async function untilSomeIsRead(workers: readonly RescaledWorker[]): Promise<void> {
  const read = (): number => workers.reduce((sum, { slot }) => sum + slot.measure().totalIn, 0);
  const enough = expect.poll(read, { timeout: 120_000, interval: 20 }).toBeGreaterThan(SOME);
  await Promise.race([enough, ...workers.map(({ slot }) => slot.done)]);
}

type From = "savepoint" | "checkpoint" | "nothing yet";

async function end(workers: RescaledWorker[], from: From, at: { uri: string; epoch: number }): Promise<RestorePoint> {
  const slots = workers.map((w) => w.slot);
  if (from === "savepoint") {
    const restore = await stopWithSavepoint(slots, `${at.uri}/savepoint-${at.epoch}`);
    for (const worker of workers) worker.counts = worker.out.lines.length;
    return restore;
  }
  for (const slot of slots) {
    if (from === "checkpoint") expect((await slot.checkpoint()).ok).toBe(true);
    await slot.stop("Cancel", false);
  }
  return { kind: "checkpoint", epoch: at.epoch, slots: workers.length };
}

interface Run {
  readonly job: string;
  readonly delivery: Delivery;
  readonly from: From;
  readonly plans?: readonly Plan[];
}

/** Runs the job over the given numbers of workers, and tallies what all of them gave. `plans`: those that run first, where they are others. */
async function rescaled(parallelism: readonly number[], { job, delivery, from, plans = [] }: Run) {
  const uri = `memory://${job}`;
  const all: RescaledWorker[] = [];
  let restore: RestorePoint = { kind: "none" };
  let generation: number | undefined;
  for (const [i, slots] of parallelism.entries()) {
    const epoch = i + 1;
    const isLast = i === parallelism.length - 1;
    const plan = plans[i] ?? planOf(delivery, isLast ? 0 : READ_RATE);
    // As the operator decides it: checkpoints hold positions in the topics, savepoints do not.
    if (restore.kind !== "checkpoint") generation = undefined;
    generation ??= slots > 1 ? epoch : undefined;
    const intervalMs = from === "nothing yet" && !isLast ? 0 : INTERVAL_MS;
    const exchange = generation === undefined ? {} : { generation };
    const workers = await launchRescaled({ plan, uri, epoch, restore, intervalMs, job, ...exchange }, slots);
    all.push(...workers);
    if (isLast) await Promise.all(workers.map(({ slot }) => slot.done));
    else {
      await untilSomeIsRead(workers);
      restore = await end(workers, from, { uri, epoch });
    }
  }
  return tallyOf(all);
}

function check(what: string, tally: ReturnType<typeof tallyOf>): void {
  const found = differences(expected, tally);
  const { late, pairs } = tally;
  console.log(
    `${what}: ${COUNT} events, ${late} late, lost ${found.lost}, twice ${found.twice}; ${pairs.length} pairs`,
  );
  expect(found).toEqual(NO_DIFFERENCE);
}

describe("a job whose keys go through Kafka to their workers, with events that are late", () => {
  it.each(["AtLeastOnce", "ExactlyOnce"] as const)(
    "goes from one worker, that hashes keys itself, to 2, 4, 3 and back to one by savepoints, %s",
    async (delivery) => {
      const parallelism = [1, 2, 4, 3, 1];
      const tally = await rescaled(parallelism, { job: `chain-${delivery}`, delivery, from: "savepoint" });
      check(`repartitioned ${parallelism.join(" → ")} by savepoints, ${delivery}`, tally);
      expect(tally.late).toBeGreaterThan(0);
    },
  );

  const moves = [
    [2, 4],
    [4, 2],
    [2, 5],
    [5, 3],
    [3, 4],
    [1, 2],
    [2, 1],
  ] as const;
  it.each(
    (["savepoint", "checkpoint", "nothing yet"] as const).flatMap((from) =>
      moves.filter((_, i) => LONG || i < 2 || (i > 4 && from === "checkpoint")).map((move) => [move, from] as const),
    ),
  )(
    "from %j by %s: each event is in one result or among the late ones, and each pair of a join comes, once",
    async (move, from) => {
      const job = `move-${move.join("-")}-${from.replaceAll(" ", "-")}`;
      check(
        `repartitioned ${move.join(" → ")} from ${from}`,
        await rescaled(move, { job, delivery: "ExactlyOnce", from }),
      );
    },
  );
});

describe("a job whose keys were those of its splits, with events that are late", () => {
  const moves = [
    [2, 3],
    [1, 2],
    [3, 1],
    [2, 3, 1],
  ];
  it.each(
    (["savepoint", "checkpoint", "nothing yet"] as const).flatMap((from) => moves.map((move) => [move, from] as const)),
  )(
    "goes on through Kafka over %j by %s: each event is in one result or among the late ones, and each pair comes, once",
    async (move, from) => {
      const job = `keying-${move.join("-")}-${from.replaceAll(" ", "-")}`;
      const first = rescaledPlan({ count: COUNT, readRate: READ_RATE, keys: "declared" });
      const tally = await rescaled(move, { job, delivery: "ExactlyOnce", from, plans: [first] });
      check(`declared, then repartitioned ${move.join(" → ")} from ${from}`, tally);
      // Where all begins anew, the last workers read everything at once, and how its splits meet is not the test's to say.
      if (from !== "nothing yet") expect(tally.late).toBeGreaterThan(0);
    },
  );
});
