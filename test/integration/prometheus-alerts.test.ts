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
import { BLOCKED, SMALL_DISK, alertJobs, block, mountSmallDisk } from "../builders/alert-jobs.ts";
import { datagenJob } from "../builders/datagen-job.ts";
import type { AlertLabels, AlertStage } from "../servers/alert-stage.ts";
import { alertStage, once } from "../servers/alert-stage.ts";
import type { ControlPlane } from "../servers/kubernetes.ts";
import { applyCrds, startControlPlane } from "../servers/kubernetes.ts";
import type { Prometheus } from "../servers/prometheus.ts";
import { promtool, startPrometheus } from "../servers/prometheus.ts";
import { buildAddon } from "../servers/rocksdb.ts";
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
let stage: AlertStage;

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
  stage = alertStage(prometheus);
});
afterAll(async () => {
  await prometheus.stop();
  await weir.stop();
  await proxy.close();
  await plane.stop();
  console.log(`alerts: ${stage.times.join("; ")}`);
});

const ofJob = (name: string): AlertLabels => ({ job_namespace: namespace, namespace, job_name: name });
const create = (name: string, spec: object = {}) => weir.client.create(streamingJobs, datagenJob(name, spec));
const remove = (name: string) => weir.client.delete(streamingJobs, { namespace, name });
const running = (name: string) => weir.until(name, "running", (j) => j.status?.state === "RUNNING");

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

/** Nobody else may mount a disk. */
const asRoot = process.getuid?.() === 0 ? it.concurrent : it.concurrent.skip;

describe("each alert is raised by its fault and ends with it", { timeout: 900_000 }, () => {
  it.concurrent("WeirJobFailed: the savepoint to start from does not exist", async () => {
    await stage.raise("WeirJobFailed", ofJob("failed"), {
      fault: once(() => create("failed", alertJobs.failed)),
      cure: () => remove("failed"),
    });
  });

  it.concurrent("WeirJobNotReady: the broker to read from does not answer", async () => {
    await stage.raise("WeirJobNotReady", ofJob("waiting"), {
      fault: once(() => create("waiting", alertJobs.waiting)),
      cure: () => remove("waiting"),
    });
  });

  it.concurrent("WeirJobLagAboveObjective: records come faster than the worker reads", async () => {
    await stage.raise("WeirJobLagAboveObjective", ofJob("late"), {
      fault: once(() => create("late", alertJobs.late)),
      cure: async () => {
        const above = await weir.job("late");
        expect(above.status?.conditions?.find((c) => c.type === "SLOMet")).toMatchObject({
          status: "False",
          reason: "LagAboveObjective",
        });
        await weir.client.patch(streamingJobs, above.metadata, { spec: { slo: { maxLag: "1h" } } });
      },
    });
    await remove("late");
  });

  it.concurrent("WeirCheckpointStale: a file is where the checkpoints' folder should be", async () => {
    await create("stale", alertJobs.stale);
    await weir.until("stale", "checkpointing", (j) => j.status?.checkpoint !== undefined);
    let unblock = (): void => {};
    await stage.raise("WeirCheckpointStale", ofJob("stale"), {
      fault: once(() => {
        unblock = block(join(weir.claims, "default/weir-state", BLOCKED));
      }),
      cure: () => unblock(),
    });
    await remove("stale");
  });

  asRoot("WeirStateDiskLow: something else fills the disk of the worker's state", async () => {
    buildAddon();
    const disk = mountSmallDisk(join(weir.claims, namespace, SMALL_DISK));
    try {
      await create("full", alertJobs.full);
      await running("full");
      let empty = (): void => {};
      await stage.raise("WeirStateDiskLow", ofJob("full"), {
        fault: once(() => {
          empty = disk.fill();
        }),
        cure: () => empty(),
      });
      const [free] = await prometheus.query('weir_worker_state_disk_free_bytes{job_name="full"}');
      console.log(`WeirStateDiskLow: ${String(free?.value)} bytes free behind it`);
      await remove("full");
    } finally {
      disk.unmount();
    }
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
    await create("looping", alertJobs.looping);
    await running("looping");
    await stage.raise("WeirJobRestartLoop", ofJob("looping"), {
      fault: kill,
      cure: () => remove("looping"),
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
      return !(await stage.isFiring("WeirWatchStale", labels));
    });
    const silence = once(() =>
      proxy.inject({ match: { resource: "streamingjobs" }, effect: { kind: "Event", fate: "Withhold" } }),
    );
    await stage.raise("WeirWatchStale", labels, {
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
    await stage.raise(
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
