import { beforeAll, describe, expect, it } from "vitest";
import { nodeJob } from "../builders/node-job.ts";
import { eventually } from "../servers/node-actions.ts";
import { nodeCluster } from "../servers/node-cluster.ts";
import type { NodeNamespace, NodePod } from "../servers/node-namespace.ts";
import type { JobResults } from "../servers/node-results.ts";
import { resultsOf } from "../servers/node-results.ts";
import { installWeir } from "../servers/node-weir.ts";

const NAME = "etl";
const PODS = `weir.dev/job=${NAME}`;

describe("workers on a real node", () => {
  const node = nodeCluster();
  let namespace: NodeNamespace;
  let results: JobResults;

  beforeAll(async () => {
    namespace = await node.namespace("worker");
    await installWeir(node, namespace);
    await namespace.apply(nodeJob(NAME));
    await ready(1);
    results = await resultsOf(namespace, NAME);
    await results.grow();
  });

  const ready = async (workers: number): Promise<void> => {
    await namespace.waitFor(`sj/${NAME}`, `jsonpath={.status.parallelism.ready}=${workers}`);
    await namespace.waitFor(`sj/${NAME}`, "condition=Ready");
  };
  const worker = async (): Promise<NodePod> => {
    const [pod] = await namespace.pods(PODS);
    if (pod === undefined) throw new Error(`${NAME} has no worker`);
    return pod;
  };
  const containerOf = (pod: NodePod): string => pod.status.containerStatuses?.[0]?.containerID ?? "";
  const message = async (job: string): Promise<string> =>
    (await namespace.job(job)).status?.conditions?.find((c) => c.type === "Ready")?.message ?? "";

  it.skipIf(node.actions === undefined)("come back by themselves after kill -9", async () => {
    const before = await worker();
    await node.actions?.killContainer(containerOf(before));
    await namespace.waitFor(`pod/${before.metadata.name}`, "jsonpath={.status.containerStatuses[0].restartCount}=1");
    console.log(`kill -9 to 3 s of new results: ${((await results.grow()) / 1000).toFixed(1)} s after the restart`);
    expect((await worker()).metadata.uid).toBe(before.metadata.uid);
    await ready(1);
  });

  it("are replaced when their pod is deleted", async () => {
    const before = await worker();
    await namespace.kubectl(["delete", "pod", before.metadata.name, "--wait=false"]);
    await eventually("another pod", async () => {
      const pods = await namespace.pods(PODS);
      return pods.length === 1 && pods[0]?.metadata.uid !== before.metadata.uid ? true : undefined;
    });
    console.log(`3 s of new results ${((await results.grow()) / 1000).toFixed(1)} s after the new pod`);
    await ready(1);
  });

  it("follow kubectl scale", async () => {
    const began = performance.now();
    await namespace.kubectl(["scale", `sj/${NAME}`, "--replicas=2"]);
    await ready(2);
    console.log(`kubectl scale from 1 to 2, ready: ${((performance.now() - began) / 1000).toFixed(1)} s`);
    await results.grow();
  });

  it("move away from a drained node, and the operator keeps one pod by its budget", async () => {
    const [{ metadata } = { metadata: { name: "" } }] = (await node.get<{ items: NodePod[] }>(["nodes"])).items;
    const drain = ["drain", metadata.name, "--delete-emptydir-data", "--ignore-daemonsets"];
    try {
      const workers = await node.tryKubectl([...drain, `--pod-selector=${PODS}`, "--force", "--timeout=180s"]);
      expect(workers.code, workers.stderr).toBe(0);
      await eventually(
        "the job says that it cannot be scheduled",
        async () => (/schedul/i.test(await message(NAME)) ? true : undefined),
        { seen: () => message(NAME) },
      );
      const ofOperators = ["--pod-selector=app.kubernetes.io/component=operator", "--timeout=15s"];
      const operators = await node.tryKubectl([...drain, ...ofOperators]);
      expect(operators.code).not.toBe(0);
      expect(operators.stderr).toContain("disruption budget");
    } finally {
      await node.kubectl(["uncordon", metadata.name]);
    }
    await ready(2);
    await results.grow();
    expect((await namespace.job(NAME)).status?.state).toBe("RUNNING");
  });

  it("lost nothing and counted nothing twice in all of this", async () => {
    expect(await results.faults()).toEqual([]);
    console.log(`${results.seconds()} seconds of events, each complete`);
  });

  it("that have too little memory are named as such, and run once they have more", async () => {
    const limits = (memory: string): object => ({
      resources: { requests: { cpu: "20m", memory: "16Mi" }, limits: { memory } },
    });
    await namespace.apply(nodeJob("hungry", limits("24Mi")));
    await eventually(
      "the job says OOMKilled",
      async () => (/OOM/.test(JSON.stringify((await namespace.job("hungry")).status)) ? true : undefined),
      {
        seen: () => message("hungry"),
      },
    );
    console.log(`out of memory: ${await message("hungry")}`);
    await namespace.apply(nodeJob("hungry", limits("256Mi")));
    await namespace.waitFor("sj/hungry", "condition=Ready");
  });
});
