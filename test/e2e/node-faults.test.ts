import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { nodeJob } from "../builders/node-job.ts";
import { nodeCluster } from "../servers/node-cluster.ts";
import type { NodeNamespace, NodePod } from "../servers/node-namespace.ts";
import type { JobResults } from "../servers/node-results.ts";
import { resultsOf } from "../servers/node-results.ts";
import { installWeir } from "../servers/node-weir.ts";

const NAME = "etl";
const OUTAGE_MS = 60_000;

const node = nodeCluster();

describe.skipIf(node.actions === undefined)("a job whose node has troubles", () => {
  let namespace: NodeNamespace;
  let results: JobResults;

  beforeAll(async () => {
    namespace = await node.namespace("node");
    await installWeir(node, namespace);
    await namespace.apply(nodeJob(NAME));
    await namespace.waitFor(`sj/${NAME}`, "condition=Ready");
    results = await resultsOf(namespace, NAME);
    await results.grow();
  });
  afterAll(async () => {
    for (const component of ["containerd", "kubelet", "apiserver"] as const) await node.actions?.start(component);
  });

  const worker = async (): Promise<NodePod> => {
    const [pod] = await namespace.pods(`weir.dev/job=${NAME}`);
    if (pod === undefined) throw new Error(`${NAME} has no worker`);
    return pod;
  };

  it.each(["kubelet", "containerd"] as const)("does not notice that %s is restarted", async (component) => {
    const before = await worker();
    await node.actions?.restart(component);
    await results.grow();
    await namespace.waitFor(`sj/${NAME}`, "condition=Ready");
    const after = await worker();
    expect(after.metadata.uid).toBe(before.metadata.uid);
    expect(after.status.containerStatuses?.[0]?.restartCount).toBe(0);
  });

  it("goes on for a minute without the API server, also when its worker crashes meanwhile", async () => {
    const before = await worker();
    const { epoch } = (await namespace.job(NAME)).status ?? {};
    await node.actions?.stop("apiserver");
    const stopped = performance.now();
    await results.grow();
    await node.actions?.killContainer(before.status.containerStatuses?.[0]?.containerID ?? "");
    const took = await results.grow();
    console.log(`crash without an API server: 3 s of new results after ${(took / 1000).toFixed(1)} s`);
    await delay(Math.max(0, OUTAGE_MS - (performance.now() - stopped))); // an outage of this length is what is promised
    await results.grow();
    await node.actions?.start("apiserver");
    const began = performance.now();
    await namespace.waitFor(`pod/${before.metadata.name}`, "jsonpath={.status.containerStatuses[0].restartCount}=1");
    await namespace.waitFor(`sj/${NAME}`, "condition=Ready");
    console.log(`ready ${((performance.now() - began) / 1000).toFixed(1)} s after the API server was back`);
    expect((await worker()).metadata.uid).toBe(before.metadata.uid);
    expect((await namespace.job(NAME)).status?.epoch).toBe(epoch);
    await results.grow();
    expect(await results.faults()).toEqual([]);
  });
});
