import { setTimeout as delay } from "node:timers/promises";
import type { KubeClient } from "../../kube/client.ts";
import { type KubeObject, leases, nodes } from "../../kube/resource.ts";

interface NodeObject extends KubeObject {
  spec?: object;
  status?: object;
}

interface LeaseObject extends KubeObject {
  spec: { holderIdentity: string; leaseDurationSeconds: number; renewTime: string };
}

const HEARTBEAT_MS = 10_000;
const LEASE_SECONDS = 40;

/** Registers this process as a node and keeps its lease fresh until the signal. */
export async function startNode(
  client: KubeClient,
  name: string,
  { signal, onError }: { signal: AbortSignal; onError: (error: unknown) => void },
): Promise<{ stopped: Promise<void> }> {
  const at = new Date().toISOString().replace(/\.\d+Z$/, "Z");
  await client.apply<NodeObject>(
    nodes,
    {
      apiVersion: "v1",
      kind: "Node",
      metadata: { name, labels: { "kubernetes.io/hostname": name, "kubernetes.io/os": "linux" } },
      spec: {},
    },
    { fieldManager: "weir-kubelet", force: true },
  );
  const ready = {
    type: "Ready",
    status: "True",
    reason: "KubeletReady",
    message: "processes can run",
    lastTransitionTime: at,
    lastHeartbeatTime: at,
  };
  const capacity = { cpu: "64", memory: "256Gi", pods: "1000" };
  await client.patch<NodeObject>(
    nodes,
    { name },
    {
      status: {
        conditions: [ready],
        addresses: [{ type: "InternalIP", address: "127.0.0.1" }],
        capacity,
        allocatable: capacity,
        nodeInfo: nodeInfo(),
      },
    },
    { subresource: "status" },
  );
  return { stopped: heartbeat(client, name, { signal, onError }) };
}

async function heartbeat(
  client: KubeClient,
  name: string,
  { signal, onError }: { signal: AbortSignal; onError: (error: unknown) => void },
): Promise<void> {
  while (!signal.aborted) {
    // MicroTime: the API refuses anything but six digits.
    const renewTime = new Date().toISOString().replace("Z", "000Z");
    await client
      .apply<LeaseObject>(
        leases,
        {
          apiVersion: "coordination.k8s.io/v1",
          kind: "Lease",
          metadata: { name, namespace: "kube-node-lease" },
          spec: { holderIdentity: name, leaseDurationSeconds: LEASE_SECONDS, renewTime },
        },
        { fieldManager: "weir-kubelet", force: true },
      )
      .catch((e: unknown) => (signal.aborted ? undefined : onError(e)));
    await delay(HEARTBEAT_MS, undefined, { signal }).catch(() => undefined);
  }
}

/** The API server requires all of these to be present. */
function nodeInfo(): Record<string, string> {
  return {
    architecture: process.arch,
    operatingSystem: process.platform,
    kubeletVersion: "weir-local",
    containerRuntimeVersion: `process://node-${process.version}`,
    machineID: "",
    systemUUID: "",
    bootID: "",
    kernelVersion: "",
    osImage: "processes of this machine",
    kubeProxyVersion: "",
  };
}
