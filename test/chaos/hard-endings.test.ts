/** Deletions that find a job in the middle of something, with real worker processes. */
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { JobObject } from "../../src/controllers/weir-resources.ts";
import { streamingJobs } from "../../src/controllers/weir-resources.ts";
import { fixedServer } from "../../src/kube/credentials.ts";
import { configMaps, pods } from "../../src/kube/resource.ts";
import { startApiServer } from "../../src/local/api-server/start.ts";
import type { PodObject } from "../../src/local/kubelet/pod-feed.ts";
import { datagenJob } from "../builders/datagen-job.ts";
import { createObject, crdObjects } from "../servers/crd-objects.ts";
import type { WeirCluster } from "../servers/weir-cluster.ts";
import { startWeir } from "../servers/weir-cluster.ts";

let api: Awaited<ReturnType<typeof startApiServer>>;
let weir: WeirCluster;

beforeAll(async () => {
  api = await startApiServer();
  for (const crd of crdObjects()) await createObject(api, crd);
  weir = await startWeir(fixedServer(api.url));
});
afterAll(async () => {
  await weir.stop();
  await api.stop();
});

const namespace = "default";
const labelSelector = (name: string) => ({ namespace, labelSelector: `weir.dev/job=${name}` });

async function startPair(name: string, spec: object): Promise<Worker[]> {
  await weir.client.create(streamingJobs, datagenJob(name, { parallelism: 2, ...spec }));
  await weir.until(name, "running", (j) => j.status?.state === "RUNNING" && j.status.parallelism?.ready === 2);
  const { items } = await weir.client.list<PodObject>(pods, labelSelector(name));
  return items.toSorted((a, b) => a.metadata.name.localeCompare(b.metadata.name)).map(workerOf);
}

interface Worker {
  readonly pid: number;
}

function workerOf(pod: PodObject): Worker {
  return { pid: Number(pod.status?.containerStatuses?.[0]?.containerID?.replace("process://", "")) };
}

function isAlive({ pid }: Worker): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

const freeze = ({ pid }: Worker): boolean => process.kill(pid, "SIGSTOP");
const remove = (name: string) => weir.client.delete(streamingJobs, { namespace, name });
const annotate = (name: string, annotations: Record<string, string>) =>
  weir.client.patch(streamingJobs, { namespace, name }, { metadata: { annotations } });
const operationOf = (job: JobObject): string => `${job.status?.operation?.type} ${job.status?.operation?.step}`;

/** Less than the five minutes that a deletion has where nothing is said. */
const PATIENCE_MS = 200_000;

/** Milliseconds until the object is gone; then nothing of the job may be left. */
async function endOf(name: string, workers: readonly Worker[]): Promise<number> {
  const since = performance.now();
  const find = () => weir.client.find(streamingJobs, { namespace, name });
  await expect.poll(find, { timeout: PATIENCE_MS, interval: 50 }).toBeUndefined();
  const took = Math.round(performance.now() - since);
  const left = async (): Promise<string[]> => {
    const found = [
      ...(await weir.client.list(pods, labelSelector(name))).items,
      ...(await weir.client.list(configMaps, labelSelector(name))).items,
    ];
    return [...found.map((o) => o.metadata.name), ...workers.filter(isAlive).map(({ pid }) => `process ${pid}`)];
  };
  await expect.poll(left, { timeout: 60_000 }).toEqual([]);
  return took;
}

/** The savepoint of a frozen worker stays in flight. */
async function savepointInFlight(name: string, workers: readonly Worker[]): Promise<void> {
  const [, second] = workers;
  if (second !== undefined) freeze(second);
  await annotate(name, { "weir.dev/savepoint": "1" });
  await weir.until(name, "saving", (j) => operationOf(j).startsWith("Savepoint"));
  await delay(500); // the first worker's part is written meanwhile
}

const GRACE = { worker: { terminationGracePeriod: "3s" } };

describe("a deletion", () => {
  it("takes its own savepoint after one that was in flight", async () => {
    const name = "saving";
    const workers = await startPair(name, GRACE);
    await savepointInFlight(name, workers);
    await remove(name);
    await weir.until(name, "deleting", (j) => operationOf(j).startsWith("Delete"));
    for (const { pid } of workers.filter(isAlive)) process.kill(pid, "SIGCONT");
    console.log(`C9 savepoint in flight: gone after ${await endOf(name, workers)} ms`);
  });

  it("gives up a worker that does not answer when deletion.timeout is over", async () => {
    const name = "silent";
    const workers = await startPair(name, { ...GRACE, deletion: { timeout: "8s" } });
    await savepointInFlight(name, workers);
    const since = performance.now();
    await remove(name);
    await endOf(name, workers);
    const took = Math.round(performance.now() - since);
    console.log(`C9 unreachable, deletion.timeout 8s and 3s of grace: gone after ${took} ms`);
    expect(took).toBeGreaterThan(7_000); // a deletion's time is told in whole seconds
  });

  it("does not wait for a worker that does not answer when it is forced", async () => {
    const name = "forced";
    const workers = await startPair(name, GRACE);
    for (const worker of workers) freeze(worker);
    await remove(name);
    await weir.until(name, "deleting", (j) => operationOf(j).startsWith("Delete"));
    await annotate(name, { "weir.dev/force-delete": "true" });
    const took = await endOf(name, workers);
    console.log(`C9 unreachable, forced: gone after ${took} ms`);
  });
});
