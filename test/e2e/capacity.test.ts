/**
 * How many jobs the node carries, and what the operator takes for them: a figure for docs/performance.md, not a test.
 * It needs some minutes and most of the machine: WEIR_LONG=1 npx vitest run --project e2e test/e2e/capacity.test.ts
 */
import { describe, expect, it } from "vitest";
import type { JobObject } from "../../src/controllers/weir-resources.ts";
import { nodeJob } from "../builders/node-job.ts";
import { eventually } from "../servers/node-actions.ts";
import { type NodeCluster, nodeCluster } from "../servers/node-cluster.ts";
import type { NodeNamespace, NodePod } from "../servers/node-namespace.ts";
import { installWeir } from "../servers/node-weir.ts";
import { figure, processUse } from "../servers/process-use.ts";

const PREFIX = "job-";
const BATCH = 15;
/** A node runs 110 pods, if nobody says otherwise. */
const MOST = 120;
const PATIENCE_SECONDS = 240;
/** So little is asked for that neither CPU nor memory decides on paper; the limit is for what never comes. */
const SMALL = { resources: { requests: { cpu: "5m", memory: "32Mi" }, limits: { memory: "256Mi" } } };
const EVERY_SECOND = { checkpoint: { interval: "1s", storage: { uri: "file:///var/lib/weir/state" } } };
/** Jobs that are so far behind have no core left. */
const TOO_FAR_SECONDS = 10;

/** Like the quickstart, with a hundred events a second. */
function lightJob(name: string): JobObject {
  const job = nodeJob(name, SMALL, EVERY_SECOND);
  const { pipeline } = job.spec as { pipeline: { nodes: { source?: { datagen: { rate: number } } }[] } };
  for (const { source } of pipeline.nodes) if (source !== undefined) source.datagen.rate = 100;
  return job;
}

const node = nodeCluster();
const isAsked = process.env["WEIR_LONG"] === "1" && node.actions !== undefined;

describe.skipIf(!isAsked)("a node", () => {
  it("carries as many jobs as this", async () => {
    const namespace = await node.namespace("capacity");
    const weir = await installWeir(node, namespace);
    /** Gives how far the slowest of them is behind. */
    const report = async (jobs: number, seconds: number): Promise<number> => {
      const leader = await weir.leader();
      const { mib, cores } = await processUse(() => weir.metrics(leader));
      const workers = await workersUse(node, namespace.name);
      const behind = await mostBehind(await namespace.pods("weir.dev/job"));
      const each = `${workers.mib.toFixed(0)} MiB each, ${workers.cores.toFixed(2)} cores together, ${behind.toFixed(1)} s behind`;
      const operator = `operator ${mib.toFixed(0)} MiB, ${(cores * 100).toFixed(1)} % of a core`;
      console.log(`${jobs} jobs, the last ${BATCH} ready after ${seconds.toFixed(0)} s: ${operator}; workers ${each}`);
      return behind;
    };
    let jobs = 0;
    while (jobs < MOST) {
      const names = Array.from({ length: BATCH }, (_, i) => `${PREFIX}${jobs + i}`);
      const began = performance.now();
      await namespace.apply(...names.map(lightJob));
      const stuck = await untilReady(namespace, jobs + BATCH);
      if (stuck !== undefined) {
        console.log(`${jobs} jobs were carried; of ${BATCH} more: ${stuck}`);
        break;
      }
      jobs += BATCH;
      if ((await report(jobs, (performance.now() - began) / 1000)) > TOO_FAR_SECONDS) break;
    }
    expect(jobs).toBeGreaterThanOrEqual(BATCH);
  });
});

/** Undefined once so many jobs are ready; else what is in the way. */
async function untilReady(namespace: NodeNamespace, wanted: number): Promise<string | undefined> {
  const path = "jsonpath={.items[*].status.conditions[?(@.type=='Ready')].status}";
  const pending = async (): Promise<string | undefined> => {
    const found = (await namespace.pods("weir.dev/job")).filter(({ status }) => status.phase === "Pending");
    const messages = found.flatMap(({ status }) => status.conditions?.map(({ message }) => message) ?? []);
    return messages.find((message) => message?.includes("nodes are available"));
  };
  const look = async (): Promise<{ readonly stuck: string | undefined } | undefined> => {
    const ready = (await namespace.kubectl(["get", "sj", "-o", path])).split(" ").filter((text) => text === "True");
    const stuck = await pending();
    return ready.length >= wanted || stuck !== undefined ? { stuck } : undefined;
  };
  const options = { seconds: PATIENCE_SECONDS, everyMs: 1000 };
  const end = await eventually(`${wanted} ready jobs`, look, options).catch((e: unknown) => ({ stuck: String(e) }));
  return end.stuck;
}

/** By the kubelet's account: of its own memory and CPU, without what processes share. */
interface PodUse {
  readonly podRef: { readonly name: string; readonly namespace: string };
  readonly cpu?: { readonly usageNanoCores?: number };
  readonly memory?: { readonly workingSetBytes?: number };
}

async function workersUse(node: NodeCluster, namespace: string): Promise<{ mib: number; cores: number }> {
  const summary = ["get", "--raw", "/api/v1/nodes/node-1/proxy/stats/summary"];
  const { pods } = JSON.parse(await node.kubectl(summary)) as { pods: PodUse[] };
  const workers = pods.filter(({ podRef }) => podRef.namespace === namespace && podRef.name.startsWith(PREFIX));
  const sum = (of: (pod: PodUse) => number | undefined): number =>
    workers.reduce((total, pod) => total + (of(pod) ?? 0), 0);
  const bytes = sum((pod) => pod.memory?.workingSetBytes);
  return { mib: bytes / workers.length / 1024 / 1024, cores: sum((pod) => pod.cpu?.usageNanoCores) / 1e9 };
}

/** Seconds that the slowest worker is behind. */
async function mostBehind(pods: readonly NodePod[]): Promise<number> {
  const lags = pods.map(async ({ status }) => {
    const text = await fetch(`http://${status.podIP}:8080/metrics`).then((answer) => answer.text());
    return figure(text, "weir_worker_lag_seconds");
  });
  return Math.max(...(await Promise.all(lags)).filter((lag) => !Number.isNaN(lag)));
}
