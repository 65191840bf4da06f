/** Workers that a drain takes away, by the real kubectl and the real Eviction API. The operator may not see nodes. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { streamingJobs } from "../../src/controllers/weir-resources.ts";
import type { JobObject } from "../../src/controllers/weir-resources.ts";
import { pods } from "../../src/kube/resource.ts";
import type { PodObject } from "../../src/local/kubelet/pod-feed.ts";
import { datagenJob } from "../builders/datagen-job.ts";
import type { CommandResult, ControlPlane } from "../servers/kubernetes.ts";
import { applyCrds, startControlPlane } from "../servers/kubernetes.ts";
import type { WeirCluster } from "../servers/weir-cluster.ts";
import { startWeir } from "../servers/weir-cluster.ts";
import { operatorAccount } from "../servers/operator-account.ts";

const namespace = "default";
const NAME = "moved";
let plane: ControlPlane;
let weir: WeirCluster;

beforeAll(async () => {
  plane = await startControlPlane({ controllers: ["disruption-controller"] });
  await applyCrds(plane);
  const account = await operatorAccount(plane);
  await account.grant(namespace);
  weir = await startWeir(plane.server, { server: account.server, namespaces: [namespace] });
});
afterAll(async () => {
  await weir?.stop();
  await plane?.stop();
});

const worker = (attempt: number): Promise<PodObject | undefined> =>
  weir.client.find<PodObject>(pods, { namespace, name: `${NAME}-1-0-${attempt}` });
const isSteady = ({ status }: JobObject): boolean =>
  status?.state === "RUNNING" &&
  ["Ready", "Checkpointing"].every((type) => status.conditions?.some((c) => c.type === type && c.status === "True"));
const drain = async (...flags: readonly string[]): Promise<CommandResult> => {
  const { items } = await weir.client.list<PodObject>(pods, { namespace });
  const node = items.find((p) => p.spec.nodeName !== undefined)?.spec.nodeName ?? "";
  const selector = `--pod-selector=weir.dev/job=${NAME}`;
  return plane.kubectl(["drain", node, selector, "--delete-emptydir-data", ...flags]);
};

describe("a drain", () => {
  it("moves a worker by its last checkpoint, at once and without counting a failure, even for a job never to be restarted", async () => {
    await weir.client.create(streamingJobs, datagenJob(NAME, { restart: { strategy: "Never" } }));
    await weir.until(NAME, "steady", isSteady);
    const drained = await drain("--timeout=120s");
    expect(drained).toMatchObject({ code: 0, stdout: expect.stringMatching(/evicted/) as string });
    const job = await weir.until(
      NAME,
      "steady with the next attempt",
      (j) =>
        isSteady(j) && j.status?.operation === undefined && JSON.stringify(j.status?.internal).includes('"attempt":1'),
    );
    expect(await worker(1)).toBeDefined();
    expect(job.status?.restarts).toBeUndefined();
    expect(await weir.logs(`${NAME}-1-0-1`)).toMatch(/"restored":\{"uri":"file:/);
  });

  it("waits for a PodDisruptionBudget that the user makes, and goes on when it is gone", async () => {
    const budget = {
      apiVersion: "policy/v1",
      kind: "PodDisruptionBudget",
      metadata: { name: NAME, namespace },
      spec: { minAvailable: 1, selector: { matchLabels: { "weir.dev/job": NAME } } },
    };
    expect((await plane.kubectl(["apply", "-f", "-"], JSON.stringify(budget))).stderr).toBe("");
    const healthy = ["--for=jsonpath={.status.currentHealthy}=1", "--timeout=120s"];
    expect(await plane.kubectl(["wait", `pdb/${NAME}`, "-n", namespace, ...healthy])).toMatchObject({ code: 0 });
    const refused = await drain("--timeout=12s"); // an eviction is tried every five seconds
    expect(refused.code).not.toBe(0);
    expect(refused.stderr).toMatch(/violate the pod's disruption budget/);
    const kept = await worker(1);
    expect(kept?.metadata.deletionTimestamp).toBeUndefined();
    await plane.kubectl(["delete", "pdb", NAME, "-n", namespace]);
    expect(await drain("--timeout=120s")).toMatchObject({ code: 0 });
    await weir.until(
      NAME,
      "steady with the third attempt",
      (j) => isSteady(j) && JSON.stringify(j.status?.internal).includes('"attempt":2'),
    );
  });
});
