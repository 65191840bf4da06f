/** A job whose committed output is lost before it was published: nothing that Weir does by itself can be right. */
import { existsSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { streamingJobs, type JobObject } from "../../src/controllers/weir-resources.ts";
import { fixedServer } from "../../src/kube/credentials.ts";
import { pods } from "../../src/kube/resource.ts";
import { startApiServer } from "../../src/local/api-server/start.ts";
import type { PodObject } from "../../src/local/kubelet/pod-feed.ts";
import { datagenJob } from "../builders/datagen-job.ts";
import { filesBelow } from "../builders/files-below.ts";
import { createObject, crdObjects } from "../servers/crd-objects.ts";
import { startWeir, type WeirCluster } from "../servers/weir-cluster.ts";

const namespace = "default";
const name = "lost-parts";

let api: Awaited<ReturnType<typeof startApiServer>>;
let weir: WeirCluster;
beforeAll(async () => {
  api = await startApiServer();
  for (const crd of crdObjects()) await createObject(api, crd);
  weir = await startWeir(fixedServer(api.url));
});
afterAll(async () => {
  await weir?.stop();
  await api?.stop();
});

const volume = (): string => join(weir.claims, "default/weir-state");
const condition = (job: JobObject, type: string) => job.status?.conditions?.find((c) => c.type === type);
const runs = (job: JobObject): boolean => job.status?.state === "RUNNING" && condition(job, "Ready")?.status === "True";

async function workerPid(): Promise<number> {
  const [pod] = (await weir.client.list<PodObject>(pods, { namespace })).items;
  return Number(pod?.status?.containerStatuses?.[0]?.containerID?.replace("process://", ""));
}

interface Sealed {
  readonly body: { readonly sinks: readonly { readonly handle: { readonly parts: readonly { name: string }[] } }[] };
}

/** As a crash between manifest and commit leaves it, and somebody who cleans up after it. */
function loseNewest(): string[] {
  const manifests = Object.keys(filesBelow(join(volume(), "state"))).filter(
    (file) => basename(file) === "manifest.json",
  );
  const idOf = (file: string): number => Number(basename(dirname(file)));
  const partsOf = (file: string): string[] => {
    const { body } = JSON.parse(readFileSync(file, "utf8")) as Sealed;
    return body.sinks.flatMap(({ handle }) => handle.parts.map((part) => part.name));
  };
  const newest = manifests.toSorted((a, b) => idOf(b) - idOf(a))[0] ?? "";
  const folder = join(volume(), "results", name);
  const parts = partsOf(newest);
  rmSync(join(dirname(newest), "completed"), { force: true });
  for (const part of parts) {
    for (const file of [part, `.${part}.inprogress`]) rmSync(join(folder, file), { force: true });
  }
  return parts;
}

it("fails with DeliveryAtRisk and the list of what is lost, and goes on when its user accepts the replay", async () => {
  const interval = "500ms";
  const storage = { uri: "file:///var/lib/weir/state" };
  await weir.client.create(
    streamingJobs,
    datagenJob(name, { checkpoint: { interval, delivery: "ExactlyOnce", storage } }),
  );
  await weir.until(name, "checkpointed", (job) => runs(job) && job.status?.checkpoint !== undefined);
  const results = (): string[] => {
    const folder = join(volume(), "results", name);
    return existsSync(folder) ? readdirSync(folder).filter((file) => !file.startsWith(".")) : [];
  };
  await expect.poll(results, { timeout: 90_000 }).not.toEqual([]);

  let lost: string[] = [];
  // A checkpoint may cover no output: then nothing of it can be lost.
  await expect
    .poll(
      async () => {
        const pid = await workerPid();
        process.kill(pid, "SIGSTOP");
        lost = loseNewest();
        process.kill(pid, lost.length === 0 ? "SIGCONT" : "SIGKILL");
        return lost.length;
      },
      { timeout: 90_000, interval: 700 },
    )
    .toBeGreaterThan(0);

  const failed = await weir.until(name, "FAILED", (job) => job.status?.state === "FAILED", 120_000);
  const risk = condition(failed, "DeliveryAtRisk");
  expect(risk).toMatchObject({ status: "True", reason: "DeliveryAtRisk" });
  for (const part of lost) expect(risk?.message).toContain(part);
  expect(risk?.message).toContain("spec.startFrom.acceptReplay");
  expect(failed.status?.failure).toMatchObject({ code: "DELIVERY_AT_RISK", restartable: false });

  const started = { metadata: { annotations: { "weir.dev/start": "1" } }, spec: { startFrom: { acceptReplay: "1" } } };
  await weir.client.patch(streamingJobs, { namespace, name }, started);
  const again = await weir.until(name, "running again", (job) => runs(job) && job.status?.epoch === 2, 120_000);
  expect(condition(again, "DeliveryAtRisk")).toBeUndefined();
});
