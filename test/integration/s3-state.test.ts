/** A job whose state is in a bucket and nowhere else, through everything that can happen to it. */
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { streamingJobs, type JobObject } from "../../src/controllers/weir-resources.ts";
import { fixedServer } from "../../src/kube/credentials.ts";
import { configMaps, events, pods, secrets } from "../../src/kube/resource.ts";
import { startApiServer } from "../../src/local/api-server/start.ts";
import type { PodObject } from "../../src/local/kubelet/pod-feed.ts";
import { datagenJob } from "../builders/datagen-job.ts";
import { createObject, crdObjects } from "../servers/crd-objects.ts";
import { BUCKET, startS3, type S3Server } from "../servers/s3.ts";
import { startWeir, type WeirCluster } from "../servers/weir-cluster.ts";

const namespace = "default";
const name = "in-a-bucket";
const RECORDS = 16_000;
/** In a second and worker: the input lasts until it is read without this, however long the rest takes. */
const SLOW = 50;

let s3: S3Server;
let api: Awaited<ReturnType<typeof startApiServer>>;
let weir: WeirCluster;
beforeAll(async () => {
  [s3, api] = await Promise.all([startS3(), startApiServer()]);
  for (const crd of crdObjects()) await createObject(api, crd);
  weir = await startWeir(fixedServer(api.url));
});
afterAll(async () => {
  await weir?.stop();
  await api?.stop();
  await s3?.stop();
});

function job(readRate?: number): JobObject {
  const made = datagenJob(name, {
    checkpoint: {
      interval: "300ms",
      storage: { uri: `s3://${BUCKET}/jobs`, endpoint: s3.endpoint, secretRef: { name: "s3-user" } },
    },
  });
  const { nodes } = (made.spec as { pipeline: { nodes: { source?: { datagen: object } }[] } }).pipeline;
  const limit = readRate === undefined ? {} : { readRate };
  Object.assign(nodes[0]?.source?.datagen ?? {}, { rate: 0, eventRate: 1000, count: RECORDS, ...limit });
  return made;
}

const state = (j: JobObject): string | undefined => j.status?.state;
const ready = (j: JobObject): boolean =>
  state(j) === "RUNNING" && j.status?.conditions?.some((c) => c.type === "Ready" && c.status === "True") === true;
const annotate = (annotations: Record<string, string>) =>
  weir.client.patch(streamingJobs, { namespace, name }, { metadata: { annotations } });
const restoredFrom = (j: JobObject): unknown => j.status?.lineage?.restoredFrom;

/** What each window of each tenant came to; one that was given again after a restore must be the same. */
function counts(): Map<string, number> {
  const folder = join(weir.claims, "default/weir-state/results", name);
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  const lines = files.flatMap((file) =>
    readFileSync(join(file.parentPath, file.name), "utf8").split("\n").slice(0, -1),
  );
  const found = new Map<string, number>();
  for (const line of lines) {
    const { tenant, windowStart, n } = JSON.parse(line) as { tenant: string; windowStart: number; n: number };
    const window = `${tenant}@${windowStart}`;
    expect(found.get(window) ?? n, window).toBe(n);
    found.set(window, n);
  }
  return found;
}

async function killWorker(): Promise<void> {
  const [pod] = (await weir.client.list<PodObject>(pods, { namespace })).items;
  process.kill(Number(pod?.status?.containerStatuses?.[0]?.containerID?.replace("process://", "")), "SIGKILL");
}

it("keeps its state in a bucket over kill -9, a change of parallelism, and a stop with savepoint", async () => {
  const keys = Object.entries(s3.credentials).map(([key, v]) => [key, Buffer.from(v).toString("base64")]);
  const secret = { apiVersion: "v1", kind: "Secret", metadata: { name: "s3-user", namespace } };
  await weir.client.create(secrets, { ...secret, data: Object.fromEntries(keys) as object } as never);

  await weir.client.create(streamingJobs, job(SLOW));
  const first = await weir.until(name, "checkpointed", (j) => ready(j) && j.status?.checkpoint !== undefined);
  expect(first.status?.checkpoint?.uri).toMatch(new RegExp(`^s3://${BUCKET}/jobs/default/${name}/.*/e1/s0/`));

  await killWorker();
  const restarts = async (): Promise<number> => {
    const { items } = await weir.client.list<PodObject>(pods, { namespace });
    return items[0]?.status?.containerStatuses?.[0]?.restartCount ?? 0;
  };
  await expect.poll(restarts, { timeout: 90_000 }).toBe(1);
  const logged = async () => (await weir.logs(`${name}-1-0-0`)) ?? "";
  await expect
    .poll(logged, { timeout: 90_000 })
    .toMatch(new RegExp(`"restored":{"uri":"s3://${BUCKET}/jobs/.*/e1/s0/`));
  await weir.until(name, "ready again", ready);

  await annotate({ "weir.dev/scale": "2@1" });
  const scaled = await weir.until(name, "scaled", (j) => j.status?.epoch === 2 && ready(j));
  expect(restoredFrom(scaled)).toMatchObject({ uri: expect.stringMatching(/^s3:.*savepoints/) as string });

  await annotate({ "weir.dev/stop": "1" });
  const stopped = await weir.until(name, "stopped", (j) => state(j) === "STOPPED");
  expect(stopped.status?.savepoint?.uri).toMatch(new RegExp(`^s3://${BUCKET}/jobs/default/${name}/savepoints/`));
  expect(readdirSync(s3.folderOf(BUCKET))).toContain("jobs");

  await annotate({ "weir.dev/start": "1" });
  const verified = (j: JobObject): boolean => j.status?.lineage?.restoredFrom?.verified === true;
  const resumed = await weir.until(name, "running again", (j) => ready(j) && j.status?.epoch === 3 && verified(j));
  expect(restoredFrom(resumed)).toEqual({ uri: stopped.status?.savepoint?.uri, verified: true });

  const { pipeline } = job().spec as { pipeline: object };
  await weir.client.patch(streamingJobs, { namespace, name }, { spec: { pipeline } });
  await weir.until(name, "at the end of its input", (j) => state(j) === "STOPPED", 180_000);
  expect([...counts().values()].reduce((sum, n) => sum + n, 0)).toBe(RECORDS);

  const shown = [streamingJobs, pods, configMaps, events].map(async (resource) =>
    JSON.stringify((await weir.client.list(resource, { namespace })).items),
  );
  const found = [...(await Promise.all(shown)), await logged()].join("\n");
  for (const value of Object.values(s3.credentials)) expect(found).not.toContain(value);
});
