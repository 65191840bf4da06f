import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { streamingJobs } from "../../src/controllers/weir-resources.ts";
import { pods } from "../../src/kube/resource.ts";
import type { PodObject } from "../../src/local/kubelet/pod-feed.ts";
import { datagenJob } from "../builders/datagen-job.ts";
import type { ControlPlane } from "../servers/kubernetes.ts";
import { applyCrds, startControlPlane } from "../servers/kubernetes.ts";
import type { WeirCluster } from "../servers/weir-cluster.ts";
import { startWeir } from "../servers/weir-cluster.ts";

let plane: ControlPlane;
let weir: WeirCluster;

beforeAll(async () => {
  plane = await startControlPlane();
  await applyCrds(plane);
  weir = await startWeir(plane.server);
});
afterAll(async () => {
  await weir.stop();
  await plane.stop();
});

const name = "lonely";

interface Window {
  readonly tenant: string;
  readonly windowStart: number;
}

/** What each result was written for; a result may be written again after a restore, but none may be missing. */
function results(): Window[] {
  const folder = join(weir.claims, "default/weir-state/results", name);
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  return files.flatMap((file) =>
    readFileSync(join(file.parentPath, file.name), "utf8")
      .split("\n")
      .slice(0, -1)
      .map((line) => JSON.parse(line) as Window),
  );
}
const seconds = (): number[] => [...new Set(results().map((w) => w.windowStart / 1_000))].toSorted((a, b) => a - b);

const processOf = (pod: PodObject): number =>
  Number(pod.status?.containerStatuses?.[0]?.containerID?.replace("process://", ""));
const podNow = async (): Promise<PodObject> =>
  weir.client.get<PodObject>(pods, { namespace: "default", name: `${name}-1-0-0` });

it("a killed worker restores itself and goes on while the operator and the API server are gone", async () => {
  await weir.client.create(streamingJobs, datagenJob(name));
  await weir.until(name, "running with results", (j) => j.status?.state === "RUNNING");
  await expect.poll(() => seconds().length, { timeout: 90_000 }).toBeGreaterThan(2);
  const before = await podNow();

  await weir.operator.stop();
  await plane.stopApiServer();
  process.kill(processOf(before), "SIGKILL");
  const reached = seconds().length;
  await expect.poll(() => seconds().length, { timeout: 90_000 }).toBeGreaterThan(reached + 3);
  const gaps = seconds().filter((second, i, all) => i > 0 && second !== (all[i - 1] ?? 0) + 1);
  expect(gaps).toEqual([]);

  await plane.startApiServer();
  await weir.startOperator();
  const restarts = async (): Promise<number | undefined> =>
    (await podNow()).status?.containerStatuses?.[0]?.restartCount;
  await expect.poll(restarts, { timeout: 90_000 }).toBe(1);
  const after = await podNow();
  expect(after.metadata.uid).toBe(before.metadata.uid);
  expect(processOf(after)).not.toBe(processOf(before));
  const job = await weir.until(
    name,
    "ready again",
    (j) => j.status?.state === "RUNNING" && j.status.operation === undefined && j.status.parallelism?.ready === 1,
  );
  expect(job.status?.epoch).toBe(1);
});
