/** Stories of a job whose keys go through Kafka to its workers, with every record that it has written. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { WorkerInterceptor } from "../../src/controllers/workers/worker-client.ts";
import { MANIFEST } from "../../src/engine/checkpoint/layout.ts";
import { datagenGenerator } from "../../src/engine/connectors/datagen/generator.ts";
import type { JobObject } from "../../src/controllers/weir-resources.ts";
import type { DatagenSource } from "../../src/api/datagen.schema.ts";
import { WeirError } from "../../src/errors.ts";
import type { KafkaServer } from "../servers/kafka.ts";
import type { Ground } from "../servers/weir-ground.ts";
import {
  condition,
  createJob,
  losePod,
  remove,
  resume,
  runs,
  save,
  scaleTo,
  steadyJob,
  stop,
} from "./crash-scenarios.ts";
import type { Act, Scenario } from "./crash-story.ts";
import { JOB } from "./job-facts.ts";

const TENANTS = 8;
const SPLITS = 4;
const datagen: DatagenSource = {
  splits: SPLITS,
  rate: 80,
  fields: [
    { path: "tenant", key: { prefix: "", count: TENANTS } },
    { path: "seq", sequence: {} },
  ],
};

export interface Systems {
  readonly kafka: KafkaServer;
  /** Where something answers GET requests: each record is looked up there before it goes to its worker. */
  readonly answers?: string;
  /** Records of a job that comes to its end. */
  readonly count?: number;
}

/** Counts the records of each tenant one by one. It does not know that a tenant is in one split. */
function exchangedJob({ kafka, answers, count }: Systems, topic: string, over: object): JobObject["spec"] {
  const asked = {
    name: "asked",
    from: ["events"],
    join: {
      type: "Left",
      lookup: { connection: "answers", path: "{key}", cache: { rows: 100 } },
      leftKey: "left.tenant",
      select: { tenant: "left.tenant", seq: "left.seq" },
    },
  };
  return steadyJob({
    pipeline: {
      connections: [
        { name: "main", kafka: { brokers: [...kafka.brokers] } },
        ...(answers === undefined ? [] : [{ name: "answers", http: { url: answers } }]),
      ],
      nodes: [
        { name: "events", source: { datagen: { ...datagen, ...(count === undefined ? {} : { count, rate: 0 }) } } },
        ...(answers === undefined ? [] : [asked]),
        {
          name: "counted",
          from: [answers === undefined ? "events" : "asked"],
          keyBy: "event.tenant",
          aggregate: { n: "count()", seq: "last(event.seq)" },
        },
        { name: "out", from: ["counted"], sink: { connection: "main", kafka: { topic, key: "event.tenant" } } },
      ],
    },
    checkpoint: {
      interval: "500ms",
      delivery: "ExactlyOnce",
      storage: { uri: "file:///var/lib/weir/state" },
    },
    ...over,
  });
}

export const outputOf = (namespace: string): string => `${namespace}.out`;

/** A job with two workers. */
export const createExchanged = (systems: Systems, over: object = {}): Act => ({
  do: async (ground, namespace) => {
    await systems.kafka.createTopic(outputOf(namespace), 1);
    await createJob(ground, namespace, exchangedJob(systems, outputOf(namespace), { parallelism: 2, ...over }));
  },
  arrived: runs,
});

export const EXCHANGED = [
  "start",
  "scale-up",
  "scale-down",
  "savepoint",
  "stop",
  "resume",
  "recovery",
  "delete",
  "delete-failed",
] as const;

export function exchangedScenario({ kafka }: Systems, name: (typeof EXCHANGED)[number]): Scenario {
  const pair = createExchanged({ kafka });
  const fragile = createExchanged({ kafka }, { restart: { strategy: "Never" } });
  const told: Readonly<Record<(typeof EXCHANGED)[number], Pick<Scenario, "before" | "act">>> = {
    start: { before: [], act: pair },
    "scale-up": { before: [pair], act: scaleTo(3) },
    "scale-down": { before: [pair], act: scaleTo(1) },
    savepoint: { before: [pair], act: save },
    stop: { before: [pair], act: stop },
    resume: { before: [pair, stop], act: resume },
    recovery: { before: [pair], act: losePod },
    delete: { before: [pair], act: remove },
    "delete-failed": { before: [fragile, failing], act: remove },
  };
  const { before, act } = told[name];
  return {
    name,
    before: before.map(steadily),
    act: steadily(act),
    judge: async (ground, namespace) => {
      await countedOnce(kafka)(ground, namespace);
      if (act === remove) await untilNoneBetween(kafka, namespace);
    },
  };
}

/** Its second worker ends, and a job that does not restart fails with it. */
export const failing: Act = {
  do: (ground, namespace) => Promise.resolve(ground.restart(namespace, RESTARTED)),
  arrived: (job) => job?.status?.state === "FAILED",
};

/** The topics between the workers of a story's job. */
export async function topicsBetween(kafka: KafkaServer, namespace: string): Promise<string[]> {
  return (await kafka.topics()).filter((topic) => topic.startsWith(`weir.${namespace}.${JOB}.`));
}

async function untilNoneBetween(kafka: KafkaServer, namespace: string): Promise<void> {
  const deadline = performance.now() + 60_000;
  for (;;) {
    const left = await topicsBetween(kafka, namespace);
    if (left.length === 0) return;
    if (performance.now() > deadline) throw new Error(`the deleted job has left ${left.join(", ")}`);
    await delay(100);
  }
}

/**
 * A savepoint, or a stop with one, amid which the second worker restarts; with a lookup before the exchange. In a drain the
 * other one hears of the savepoint after that, and no other is taken.
 */
export function interruptedScenario(
  systems: Systems & { answers: string },
  name: "savepoint" | "stop" | "drain",
): Scenario {
  const drains = name === "drain";
  const of = drains ? { stop: { mode: "Savepoint", drain: true } } : {};
  const isCounted = countedOnce(systems.kafka);
  return {
    name: `interrupted-${name}`,
    before: [steadily(createExchanged(systems, of))],
    act: steadily(name === "savepoint" ? save : stop),
    between: (ground, namespace) => interruption(ground, namespace, drains),
    judge: async (ground, namespace) => {
      const status = ground.jobs.get(`${namespace}/${JOB}`)?.status;
      if (status?.savepoint === undefined) throw new Error(`no savepoint was taken: ${JSON.stringify(status)}`);
      await isCounted(ground, namespace);
    },
  };
}

const [OTHER, RESTARTED] = [`${JOB}-1-0-0`, `${JOB}-1-1-0`];

/**
 * The second worker restarts amid the first savepoint that it is told of. The other one never hears of it, so that only
 * another savepoint can be completed, unless it hears `late`.
 */
function interruption(ground: Ground, namespace: string, late: boolean): WorkerInterceptor {
  let first: string | undefined;
  let restarted: Promise<void> | undefined;
  let isBack = false;
  const restart = async (id: string): Promise<void> => {
    const folder = join(ground.claims, namespace);
    const shown = (): string => folder;
    await ground.until("held for the savepoint, by its checkpoint", () => isCrossing(folder, id), shown);
    ground.restart(namespace, RESTARTED);
    const status = () => ground.pods.get(`${namespace}/${RESTARTED}`)?.status?.containerStatuses?.[0];
    await ground.until("started again", () => status()?.restartCount === 1 && status()?.ready === true, status);
    isBack = true;
  };
  return async (call, next) => {
    if (call.path !== "/v1/savepoints") return await next();
    const { id } = call.body as { id: string };
    first ??= id;
    if (id !== first) return await next();
    if (call.pod === OTHER && late && isBack) return await next();
    if (call.pod === OTHER) throw new WeirError("WORKER_UNREACHABLE", "it does not hear of this savepoint");
    // An answer that a busy machine loses is no reason to ask again: it happens all the same.
    restarted ??= restart(id);
    restarted.catch(() => undefined);
    const answer = await next();
    await restarted;
    return answer;
  };
}

/** Whether a checkpoint says that its worker waits for the others of this savepoint. */
function isCrossing(folder: string, id: string): boolean {
  try {
    const files = readdirSync(folder, { recursive: true, encoding: "utf8" });
    return files
      .filter((file) => file.endsWith(`/${MANIFEST}`))
      .some((file) => readFileSync(join(folder, file), "utf8").includes(`"crossing":"${id}"`));
  } catch {
    return false; // a checkpoint that went while it was read
  }
}

/** All workers of a job that runs have taken their first checkpoint, which takes longer through Kafka. */
const steadily = (act: Act): Act => ({
  ...act,
  arrived: (job) =>
    act.arrived(job) && (job?.status?.state !== "RUNNING" || condition(job, "Checkpointing") === "True"),
});

/** Each record of each tenant is counted once, in its order; a job that runs goes on with them. */
function countedOnce(kafka: KafkaServer): NonNullable<Scenario["judge"]> {
  return async (ground, namespace) => {
    const topic = outputOf(namespace);
    const found = await counted(kafka, topic);
    if (ground.jobs.get(`${namespace}/${JOB}`)?.status?.state === "RUNNING") await counted(kafka, topic, found);
  };
}

/** How many records each tenant has at least, once it is more than `above`; all of them are the next ones of their tenants. */
export async function counted(kafka: KafkaServer, topic: string, above = -1): Promise<number> {
  const deadline = performance.now() + 120_000;
  for (;;) {
    const rows = (await kafka.consumeAll(topic)).map(({ value }) => JSON.parse(value) as Row);
    const least = leastOf(topic, rows);
    if (least > above) return least;
    if (performance.now() > deadline)
      throw new Error(`${topic}: of ${rows.length} records a tenant has ${least}, and never gets more than ${above}`);
    await delay(300);
  }
}

interface Row {
  readonly tenant: string;
  readonly n: number;
  readonly seq: number;
}

/** The first row that is not the next one of its tenant is the error: lost before it, or twice. */
function leastOf(topic: string, rows: readonly Row[]): number {
  const counts = new Map<string, number>();
  for (const { tenant, n, seq } of rows) {
    const before = counts.get(tenant) ?? 0;
    const expected = sequenceOf(Number(tenant), before);
    if (n !== before + 1 || seq !== expected)
      throw new Error(
        `${topic}: record ${before + 1} of tenant ${tenant} should be event ${expected}, and is ${seq} as number ${n}`,
      );
    counts.set(tenant, n);
  }
  return counts.size < TENANTS ? 0 : Math.min(...counts.values());
}

const generator = datagenGenerator(datagen);
const scratch = Buffer.alloc(generator.maxBytes);
const sequences = Array.from({ length: TENANTS }, (): number[] => []);
const generated = Array.from({ length: SPLITS }, () => 0);

/** The number, in its split, of a tenant's record. */
function sequenceOf(tenant: number, nth: number): number {
  const split = tenant % SPLITS;
  for (;;) {
    const known = sequences[tenant]?.[nth];
    if (known !== undefined) return known;
    const index = generated[split] ?? 0;
    generated[split] = index + 1;
    const end = generator.write(scratch, 0, { split, index });
    const row = JSON.parse(scratch.toString("utf8", 0, end)) as { tenant: string };
    sequences[Number(row.tenant)]?.push(index);
  }
}
