import { beforeAll, describe, expect, it } from "vitest";
import { nodeCluster } from "../servers/node-cluster.ts";
import type { NodeNamespace } from "../servers/node-namespace.ts";
import { type WeirRelease, installWeir } from "../servers/node-weir.ts";

describe("the chart on a real node", () => {
  const node = nodeCluster();
  let namespace: NodeNamespace;
  let weir: WeirRelease;
  beforeAll(async () => {
    namespace = await node.namespace("install");
    weir = await installWeir(node, namespace);
  });

  it("is ready with two operator pods, one of which leads", async () => {
    const pods = await weir.operatorPods();
    expect(pods.map(({ status }) => status.containerStatuses?.[0]?.ready)).toEqual([true, true]);
    expect(pods.map(({ metadata }) => metadata.name)).toContain(await weir.leader());
    console.log(`chart install to Ready: ${weir.readySeconds.toFixed(1)} s`);
  });
});
