import { mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { WORKER_PORT } from "../../src/api/ports.ts";
import { datagenJob, kafkaJob } from "../builders/datagen-job.ts";
import type { KafkaServer } from "../servers/kafka.ts";
import { startKafka } from "../servers/kafka.ts";
import type { Seen, UserCluster } from "../servers/user-cluster.ts";
import { condition, startUserCluster, told } from "../servers/user-cluster.ts";

/** What no schema can see: the world around the workers is wrong. A job beside them all must not notice. */
let cluster: UserCluster;
let kafka: KafkaServer;
let before: string;

const identity = async (): Promise<string> => {
  const { status } = await cluster.see("StreamingJob", "bystander");
  return JSON.stringify([status?.state, status?.jobId, status?.epoch, status?.restarts?.count ?? 0]);
};
const isReady = (job: Seen): boolean => condition(job, "Ready")?.status === "True" && job.status?.state === "RUNNING";
const untilReady = (name: string): Promise<Seen> => cluster.until("StreamingJob", name, isReady);
const untilState = (name: string, state: string): Promise<Seen> =>
  cluster.until("StreamingJob", name, (job) => job.status?.state === state);
const untilReason = (name: string, reason: string): Promise<Seen> =>
  cluster.until("StreamingJob", name, (job) => condition(job, "Ready")?.reason === reason);
const ask = (name: string, verb: string): Promise<unknown> =>
  cluster.kubectl(["annotate", "--overwrite", "sj", name, `weir.dev/${verb}=${process.hrtime.bigint()}`]);
const remove = (name: string): Promise<void> => cluster.remove("StreamingJob", name);

beforeAll(async () => {
  [cluster, kafka] = await Promise.all([startUserCluster(), startKafka()]);
  await kafka.createTopic("events", 1);
  await kafka.stop();
  await cluster.apply(datagenJob("bystander"));
  await untilReady("bystander");
  before = await identity();
});
afterAll(async () => {
  await cluster.stop();
  await kafka.close();
});

describe("a broker that cannot be reached", () => {
  it("keeps the job CREATED with the address and the next try, and it runs as soon as the broker comes", async () => {
    const broker = kafka.brokers[0] ?? "";
    await cluster.apply(kafkaJob("no-broker", broker));
    const job = await untilReason("no-broker", "SourceUnreachable");
    expect(job.status?.state).toBe("CREATED");
    expect(condition(job, "Ready")?.message).toContain(broker);
    expect(condition(job, "Ready")?.message).toMatch(/next try (now|before \d{4}-)/);
    expect(told(job, "Stalled")).toBe("");
    await kafka.restart();
    expect(told(await untilReady("no-broker"), "Reconciling")).toBe("");
    await remove("no-broker");
  });
});

describe("a Secret that is gone", () => {
  it.each([
    [
      "an environment variable",
      { env: [{ name: "USER", valueFrom: { secretKeyRef: { name: "of-env", key: "user" } } }] },
      "of-env",
    ],
    [
      "a volume",
      {
        volumes: [{ name: "credentials", secret: { secretName: "of-volume" } }],
        volumeMounts: [{ name: "credentials", mountPath: "/etc/credentials" }],
      },
      "of-volume",
    ],
  ])("of %s is named in the job's condition, and the job runs when it is back", async (_, worker, secret) => {
    await cluster.apply(datagenJob(secret, { worker }));
    const job = await untilReason(secret, "SecretMissing");
    expect(condition(job, "Ready")?.message).toMatch(new RegExp(`^worker 0: .*secret "${secret}" not found`));
    await cluster.kubectl(["create", "secret", "generic", secret, "--from-literal=user=me"]);
    await untilReady(secret);
    await remove(secret);
  });
});

describe("a place for state", () => {
  /** Every file below it, in the volume. */
  const files = (folder: string): string[] =>
    readdirSync(join(cluster.volume, folder), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name));
  const damage = (file: string): void => writeFileSync(file, readFileSync(file).fill(0x20, 10, 30));

  it("that cannot be written is told with the path, and the job goes on by itself once it can", async () => {
    writeFileSync(join(cluster.volume, "blocked"), "a file where a folder should be");
    const checkpoint = { interval: "300ms", storage: { uri: "file:///var/lib/weir/blocked" } };
    await cluster.apply(datagenJob("unwritable", { checkpoint }));
    const job = await untilReason("unwritable", "CheckpointUnwritable");
    expect(condition(job, "Ready")?.message).toMatch(
      /worker 0: cannot write below file:\/\/\/var\/lib\/weir\/blocked: .*check that the volume is mounted, has space.*next try/,
    );
    expect(job.status?.state).not.toBe("FAILED");
    rmSync(join(cluster.volume, "blocked"));
    await untilReady("unwritable");
    await remove("unwritable");
  });

  it("whose checkpoints are damaged fails the job with the file, and empty state needs the user's word", async () => {
    const spec = { stop: { mode: "Cancel" } };
    await cluster.apply(datagenJob("damaged", spec));
    await cluster.until("StreamingJob", "damaged", (job) => condition(job, "Checkpointing")?.status === "True");
    await ask("damaged", "stop");
    await untilState("damaged", "STOPPED");
    for (const file of files("state/default/damaged")) damage(file);
    await ask("damaged", "start");
    const job = await untilState("damaged", "FAILED");
    expect(job.status?.failure).toMatchObject({ code: "CHECKPOINT_CORRUPT", restartable: false });
    expect(condition(job, "Stalled")?.message).toMatch(/file:\/\/\/var\/lib\/weir\/state\/.*damaged.*checkpoints/);
    // Without a checkpoint that could make it true again before it is looked at.
    const checkpoint = { interval: "1h", storage: { uri: "file:///var/lib/weir/state" } };
    const startFrom = { acceptEmptyState: "lost-on-purpose" };
    await cluster.apply(datagenJob("damaged", { ...spec, checkpoint, startFrom }));
    expect((await untilReady("damaged")).status?.lineage?.hadState).toBe(false);
    await remove("damaged");
  });

  it("whose savepoint is damaged fails the job with the file, and the savepoint serves again when it is repaired", async () => {
    await cluster.apply(datagenJob("saved"));
    await cluster.until("StreamingJob", "saved", (job) => condition(job, "Checkpointing")?.status === "True");
    await ask("saved", "stop");
    const stopped = await untilState("saved", "STOPPED");
    const uri = stopped.status?.savepoint?.uri ?? "";
    const metadata = join(cluster.volume, uri.replace("file:///var/lib/weir/", ""), "_metadata.json");
    const good = readFileSync(metadata);
    damage(metadata);
    await ask("saved", "start");
    const job = await untilState("saved", "FAILED");
    expect(job.status?.failure).toMatchObject({ code: "CHECKPOINT_CORRUPT", restartable: false });
    expect(condition(job, "Stalled")?.message).toContain(`${uri}/_metadata.json`);
    writeFileSync(metadata, good);
    await ask("saved", "start");
    expect((await untilReady("saved")).status?.lineage?.restoredFrom).toMatchObject({ uri });
    await remove("saved");
  });

  it("that is named for the start and holds no savepoint fails the job, and another word starts it", async () => {
    await cluster.apply(datagenJob("misled", { startFrom: { savepoint: "file:///var/lib/weir/state/nothing-here" } }));
    const job = await untilState("misled", "FAILED");
    expect(job.status?.failure).toMatchObject({ code: "SAVEPOINT_NOT_FOUND", restartable: false });
    expect(condition(job, "Stalled")?.message).toMatch(
      /^file:\/\/\/var\/lib\/weir\/state\/nothing-here\/_metadata\.json does not exist: .*check the path.*change the spec or set weir\.dev\/start/,
    );
    await cluster.apply(datagenJob("misled"));
    expect(told(await untilReady("misled"), "Stalled")).toBe("");
    await remove("misled");
  });
});

describe("records that are not JSON", () => {
  const lines = ['{"tenant":"a","ts":1}', "{not json", '{"tenant":"b","ts":2}', "also not", '{"tenant":"c","ts":3}'];
  const reading = (name: string, onError: string, dead: object[] = []): object =>
    datagenJob(name, {
      pipeline: {
        nodes: [
          { name: "events", source: { file: { path: "/var/lib/weir/input/*.ndjson", follow: true } }, onError },
          { name: "read", from: ["events"], filter: "event.ts > 0" },
          { name: "out", from: ["read"], sink: { file: { path: `/var/lib/weir/results/${name}` } } },
          ...dead,
        ],
      },
    });
  const results = (name: string): string[] => {
    const folder = join(cluster.volume, "results", name);
    const parts = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
    return parts
      .flatMap((p) => readFileSync(join(p.parentPath, p.name), "utf8").split("\n").filter(Boolean))
      .toSorted();
  };
  const good = lines.filter((line) => line.startsWith('{"'));

  beforeAll(() => {
    mkdirSync(join(cluster.volume, "input"), { recursive: true });
    writeFileSync(join(cluster.volume, "input/events.ndjson"), `${lines.join("\n")}\n`);
  });

  it("are counted and left out with onError Skip", async () => {
    await cluster.apply(reading("skipping", "Skip"));
    await untilReady("skipping");
    await expect.poll(() => results("skipping"), { timeout: 60_000 }).toEqual(good);
    const pod = (await cluster.see("Pod", "skipping-1-0-0")) as { status?: { podIP?: string } };
    const metrics = async () => (await fetch(`http://${pod.status?.podIP}:${WORKER_PORT}/metrics`)).text();
    await expect.poll(metrics, { timeout: 60_000 }).toMatch(/^weir_worker_records_malformed_total\{.*\} 2$/m);
    await remove("skipping");
  });

  it("go to the dead-letter output as they are with onError Dead", async () => {
    const sink = {
      name: "graveyard",
      from: ["events.dead"],
      sink: { file: { path: "/var/lib/weir/results/graveyard" } },
    };
    await cluster.apply(reading("burying", "Dead", [sink]));
    await untilReady("burying");
    await expect.poll(() => results("graveyard"), { timeout: 60_000 }).toEqual(["also not", "{not json"].toSorted());
    await expect.poll(() => results("burying"), { timeout: 60_000 }).toEqual(good);
    await remove("burying");
  });

  it("fail the job with the file and the line with onError Fail, and Skip lets it go on", async () => {
    await cluster.apply(reading("strict", "Fail"));
    const job = await untilState("strict", "FAILED");
    expect(job.status?.failure).toMatchObject({ code: "RECORD_MALFORMED", restartable: false });
    expect(condition(job, "Stalled")?.message).toMatch(/events\.ndjson.*2/);
    await cluster.apply(reading("strict", "Skip"));
    await untilReady("strict");
    await expect.poll(() => [...new Set(results("strict"))], { timeout: 60_000 }).toEqual(good);
    await remove("strict");
  });
});

describe("the job beside them all", () => {
  it("ran in one epoch without a restart", async () => {
    expect(await identity()).toBe(before);
  });
});
