import { renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { LABEL } from "../../src/api/group.ts";
import { streamingJobs } from "../../src/controllers/weir-resources.ts";
import { fixedServer } from "../../src/kube/credentials.ts";
import type { Lease } from "../../src/kube/leader-election.ts";
import { microTime } from "../../src/kube/leader-election.ts";
import { leases, pods } from "../../src/kube/resource.ts";
import type { PodObject } from "../../src/local/kubelet/pod-feed.ts";
import type { FaultProxy } from "../../src/local/faults/proxy.ts";
import { startFaultProxy } from "../../src/local/faults/proxy.ts";
import { hurriedRules } from "../builders/alert-rules.ts";
import { datagenJob, kafkaJob } from "../builders/datagen-job.ts";
import type { ControlPlane } from "../servers/kubernetes.ts";
import { applyCrds, startControlPlane } from "../servers/kubernetes.ts";
import type { Prometheus } from "../servers/prometheus.ts";
import { promtool, startPrometheus } from "../servers/prometheus.ts";
import type { WeirCluster } from "../servers/weir-cluster.ts";
import { startWeir } from "../servers/weir-cluster.ts";

const namespace = "default";
const LEASE = { namespace, name: "weir" };
const SILENCE_SECONDS = 8;
const probes = { host: "127.0.0.1", port: 0 };

let plane: ControlPlane;
let proxy: FaultProxy;
let weir: WeirCluster;
let prometheus: Prometheus;
const times: string[] = [];

beforeAll(async () => {
  plane = await startControlPlane();
  await applyCrds(plane);
  proxy = await startFaultProxy(plane.server);
  weir = await startWeir(plane.server, { server: fixedServer(proxy.url), lease: LEASE, probes });
  await weir.operator.leading;
  prometheus = await startPrometheus({
    rules: hurriedRules(SILENCE_SECONDS),
    operators: [`127.0.0.1:${weir.operator.probePort}`],
    workersOf: weir.client,
  });
});
afterAll(async () => {
  await prometheus.stop();
  await weir.stop();
  await proxy.close();
  await plane.stop();
  if (times.length > 0) console.log(`alerts: ${times.join("; ")}`);
});

type Labels = Readonly<Record<string, string>>;

async function isFiring(alert: string, labels: Labels): Promise<boolean> {
  const wanted = Object.entries({ ...labels, alertname: alert });
  const all = await prometheus.alerts();
  return all.some((a) => a.state === "firing" && wanted.every(([label, value]) => a.labels[label] === value));
}

/** The alert fires because of the fault, which is done again until then, and ends because of the cure. */
async function raise(
  alert: string,
  labels: Labels,
  { fault, cure }: { fault: () => Promise<void>; cure: () => Promise<unknown> },
): Promise<void> {
  const began = performance.now();
  await prometheus.until(`firing: ${alert}`, async () => {
    await fault();
    return isFiring(alert, labels);
  });
  const fired = performance.now();
  await cure();
  await prometheus.until(`over: ${alert}`, async () => !(await isFiring(alert, labels)));
  const seconds = (from: number, to: number): string => ((to - from) / 1000).toFixed(1);
  times.push(`${alert} after ${seconds(began, fired)} s, over after ${seconds(fired, performance.now())} s`);
}

const once = (act: () => unknown): (() => Promise<void>) => {
  let done: Promise<void> | undefined;
  return () => (done ??= Promise.resolve(act()).then(() => undefined));
};
const ofJob = (name: string): Labels => ({ job_namespace: namespace, namespace, job_name: name });
const create = (name: string, spec: object = {}) => weir.client.create(streamingJobs, datagenJob(name, spec));
const running = (name: string) => weir.until(name, "running", (j) => j.status?.state === "RUNNING");

/** The worker may make the folder anew at any moment. */
function putFile(path: string): void {
  for (;;) {
    try {
      writeFileSync(path, "", { flag: "wx" });
      return;
    } catch {
      rmSync(path, { recursive: true, force: true, maxRetries: 5 });
    }
  }
}

describe("a real Prometheus", () => {
  it("scrapes the operator and its workers, and keeps the labels that say whose figures they are", async () => {
    await create("plain", { parallelism: 2 });
    await running("plain");
    const plain = 'job_namespace="default", job_name="plain"';
    await prometheus.until("scraped both workers", async () => {
      const read = await prometheus.query(`weir_worker_records_in_total{${plain}} > 0`);
      const scraped = new Set(read.map(({ labels }) => labels["pod"]));
      return scraped.has("plain-1-0-0") && scraped.has("plain-1-1-0");
    });
    await prometheus.until("scraped the job", async () => {
      const lag = await prometheus.query(`weir_job_lag_seconds{${plain}}`);
      const state = await prometheus.query(`weir_job_state{${plain}, state="RUNNING"} == 1`);
      return lag.length === 1 && state.length === 1;
    });
  });

  it("finds nothing to complain about in what they say", async () => {
    const [worker] = (await prometheus.query("weir_worker_records_in_total")).map(({ labels }) => labels["instance"]);
    for (const target of [`127.0.0.1:${weir.operator.probePort}`, worker]) {
      const text = await (await fetch(`http://${target}/metrics`)).text();
      expect(text).toMatch(/^weir_/m);
      expect(await promtool(["check", "metrics"], text)).toEqual({ code: 0, output: "" });
    }
  });
});

describe("each alert is raised by its fault and ends with it", { timeout: 300_000 }, () => {
  it.concurrent("WeirJobFailed: the savepoint to start from does not exist", async () => {
    await raise("WeirJobFailed", ofJob("failed"), {
      fault: once(() => create("failed", { startFrom: { savepoint: "file:///var/lib/weir/state/nothing-here" } })),
      cure: () => weir.client.delete(streamingJobs, { namespace, name: "failed" }),
    });
  });

  it.concurrent("WeirJobNotReady: the broker to read from does not answer", async () => {
    await raise("WeirJobNotReady", ofJob("waiting"), {
      fault: once(() => weir.client.create(streamingJobs, kafkaJob("waiting", "127.0.0.1:1"))),
      cure: () => weir.client.delete(streamingJobs, { namespace, name: "waiting" }),
    });
  });

  it.concurrent("WeirJobLagAboveObjective: records come faster than the worker reads", async () => {
    const job = datagenJob("late", { slo: { maxLag: "1s" } });
    const { pipeline } = job.spec as { pipeline: { nodes: { source?: { datagen: { readRate?: number } } }[] } };
    for (const { source } of pipeline.nodes) if (source !== undefined) source.datagen.readRate = 100;
    await raise("WeirJobLagAboveObjective", ofJob("late"), {
      fault: once(() => weir.client.create(streamingJobs, job)),
      cure: async () => {
        const above = await weir.job("late");
        expect(above.status?.conditions?.find((c) => c.type === "SLOMet")).toMatchObject({
          status: "False",
          reason: "LagAboveObjective",
        });
        await weir.client.patch(streamingJobs, above.metadata, { spec: { slo: { maxLag: "1h" } } });
      },
    });
    await weir.client.delete(streamingJobs, { namespace, name: "late" });
  });

  it.concurrent("WeirCheckpointStale: a file is where the checkpoints' folder should be", async () => {
    const storage = { uri: "file:///var/lib/weir/blocked" };
    await create("stale", { checkpoint: { interval: "500ms", timeout: "3s", tolerableFailures: 1000, storage } });
    await weir.until("stale", "checkpointing", (j) => j.status?.checkpoint !== undefined);
    const folder = join(weir.claims, "default/weir-state/blocked");
    await raise("WeirCheckpointStale", ofJob("stale"), {
      fault: once(() => {
        renameSync(folder, `${folder}-away`);
        putFile(folder);
      }),
      cure: async () => {
        rmSync(folder);
        renameSync(`${folder}-away`, folder);
      },
    });
    await weir.client.delete(streamingJobs, { namespace, name: "stale" });
  });

  it.concurrent("WeirJobRestartLoop: the worker is killed whenever it is up", async () => {
    const killed = new Set<string>();
    // Its pod is replaced when the kubelet waits too long before it starts the container again.
    const kill = async (): Promise<void> => {
      const { items } = await weir.client.list<PodObject>(pods, { namespace, labelSelector: `${LABEL.job}=looping` });
      for (const { status } of items) {
        const [container] = status?.containerStatuses ?? [];
        const id = container?.containerID ?? "";
        const pid = Number(id.replace("process://", ""));
        if (container?.ready !== true || killed.has(id) || !(pid > 0)) continue;
        killed.add(id);
        process.kill(pid, "SIGKILL");
      }
    };
    await create("looping", { restart: { strategy: "FixedDelay", delay: "100ms", maxAttempts: -1 } });
    await running("looping");
    await raise("WeirJobRestartLoop", ofJob("looping"), {
      fault: kill,
      cure: () => weir.client.delete(streamingJobs, { namespace, name: "looping" }),
    });
    expect(killed.size).toBeGreaterThan(5);
  });

  it("WeirWatchStale: the watch stays open and says nothing", async () => {
    let count = 0;
    const touch = async (): Promise<void> => {
      const annotations = { "example.com/touched": String(++count) };
      await weir.client.patch(streamingJobs, { namespace, name: "plain" }, { metadata: { annotations } });
    };
    const labels = { resource: "streamingjobs" };
    await prometheus.until("heard", async () => {
      await touch();
      return !(await isFiring("WeirWatchStale", labels));
    });
    const silence = once(() =>
      proxy.inject({ match: { resource: "streamingjobs" }, effect: { kind: "Event", fate: "Withhold" } }),
    );
    await raise("WeirWatchStale", labels, {
      fault: async () => {
        await silence();
        await touch();
      },
      cure: async () => {
        proxy.heal();
        proxy.release();
        await touch();
      },
    });
  });

  it("WeirNoLeader: the lease belongs to an operator that is gone", async () => {
    await weir.operator.stop();
    const taken: Lease = await weir.client.get<Lease>(leases, LEASE);
    const now = microTime(Date.now());
    const spec = { ...taken.spec, holderIdentity: "gone", leaseDurationSeconds: 3600, renewTime: now };
    await weir.client.update(leases, { ...taken, spec });
    const standby = await weir.startOperator();
    await raise(
      "WeirNoLeader",
      { lease: LEASE.name },
      {
        fault: once(() => prometheus.target([`127.0.0.1:${standby.probePort}`])),
        cure: () => weir.client.delete(leases, LEASE),
      },
    );
    await standby.leading;
  });
});
