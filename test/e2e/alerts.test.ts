/** Each alert of the chart's PrometheusRule, raised by a real fault on the node; only its times are shorter. */
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { LABEL } from "../../src/api/group.ts";
import { streamingJobs } from "../../src/controllers/weir-resources.ts";
import type { KubeClient } from "../../src/kube/client.ts";
import { createKubeClient } from "../../src/kube/client.ts";
import { serverFromKubeconfig } from "../../src/kube/kubeconfig.ts";
import { microTime } from "../../src/kube/leader-election.ts";
import { pods } from "../../src/kube/resource.ts";
import type { Transport } from "../../src/kube/transport.ts";
import { createTransport } from "../../src/kube/transport.ts";
import { BLOCKED, alertJobs, block } from "../builders/alert-jobs.ts";
import { type RuleFile, alertRules, hurriedRules } from "../builders/alert-rules.ts";
import { nodeJob } from "../builders/node-job.ts";
import { type AlertLabels, type AlertStage, alertStage, once } from "../servers/alert-stage.ts";
import { nodeCluster } from "../servers/node-cluster.ts";
import type { NodeNamespace, NodePod } from "../servers/node-namespace.ts";
import { type WeirRelease, installWeir } from "../servers/node-weir.ts";
import type { Prometheus } from "../servers/prometheus.ts";
import { startPrometheus } from "../servers/prometheus.ts";

const SILENCE_SECONDS = 8;
const METRICS_PORT = 8081;
const API_SERVER_PORT = "6443";
const MONITORING = join(import.meta.dirname, "../fixtures/monitoring-crds");

const node = nodeCluster();

describe.skipIf(node.actions === undefined)("each alert on a real node is raised by its fault and ends with it", () => {
  let namespace: NodeNamespace;
  let weir: WeirRelease;
  let transport: Transport;
  let client: KubeClient;
  let prometheus: Prometheus;
  let stage: AlertStage;

  beforeAll(async () => {
    await node.kubectl(["apply", "--server-side", "-f", MONITORING]);
    namespace = await node.namespace("alerts");
    weir = await installWeir(node, namespace, { values: { metrics: { prometheusRule: { enabled: true } } } });
    const rule = await node.get<{ spec: RuleFile }>(["prometheusrule/weir", "-n", namespace.name]);
    expect(rule.spec.groups.flatMap(({ rules }) => rules.map(({ alert }) => alert))).toEqual(
      alertRules().map(({ alert }) => alert),
    );
    transport = createTransport({ server: await serverFromKubeconfig(node.facts.kubeconfigPath) });
    client = createKubeClient(transport);
    const operators = await weir.operatorPods();
    prometheus = await startPrometheus({
      rules: hurriedRules(SILENCE_SECONDS, rule.spec),
      operators: operators.map(({ status }) => `${status.podIP}:${METRICS_PORT}`),
      workersOf: client,
    });
    stage = alertStage(prometheus);
    await namespace.apply(nodeJob("plain"));
    await namespace.waitFor("sj/plain", "condition=Ready");
  });
  afterAll(async () => {
    if (stage !== undefined) console.log(`alerts: ${stage.times.join("; ")}`);
    await prometheus?.stop();
    await transport?.close();
    await node.tryKubectl(["delete", "--ignore-not-found", "-f", MONITORING]);
  });

  const ofJob = (name: string): AlertLabels => ({
    job_namespace: namespace.name,
    namespace: namespace.name,
    job_name: name,
  });
  const apply = (name: keyof typeof alertJobs): Promise<void> => namespace.apply(nodeJob(name, {}, alertJobs[name]));
  const remove = (name: string): Promise<string> => namespace.kubectl(["delete", "sj", name, "--timeout=120s"]);
  const touch = (): Promise<unknown> => {
    const annotations = { "example.com/touched": String(performance.now()) };
    return client.patch(streamingJobs, { namespace: namespace.name, name: "plain" }, { metadata: { annotations } });
  };

  it.concurrent("WeirJobFailed: the savepoint to start from does not exist", async () => {
    await stage.raise("WeirJobFailed", ofJob("failed"), {
      fault: once(() => apply("failed")),
      cure: () => remove("failed"),
    });
  });

  it.concurrent("WeirJobNotReady: the broker to read from does not answer", async () => {
    await stage.raise("WeirJobNotReady", ofJob("waiting"), {
      fault: once(() => apply("waiting")),
      cure: () => remove("waiting"),
    });
  });

  it.concurrent("WeirJobLagAboveObjective: records come faster than the worker reads", async () => {
    const patient = ["patch", "sj", "late", "--type=merge", "-p", '{"spec": {"slo": {"maxLag": "1h"}}}'];
    await stage.raise("WeirJobLagAboveObjective", ofJob("late"), {
      fault: once(() => apply("late")),
      cure: () => namespace.kubectl(patient),
    });
    await remove("late");
  });

  it.concurrent("WeirCheckpointStale: a file is where the checkpoints' folder should be", async () => {
    await apply("stale");
    await namespace.waitFor("sj/stale", "condition=Checkpointing");
    const folder = join(await namespace.volume(), BLOCKED);
    let unblock = (): void => {};
    await stage.raise("WeirCheckpointStale", ofJob("stale"), {
      fault: once(() => {
        unblock = block(folder);
      }),
      cure: () => unblock(),
    });
    await remove("stale");
  });

  it.concurrent("WeirJobRestartLoop: the worker is killed whenever it is up", async () => {
    await apply("looping");
    const killed = new Set<string>();
    const kill = async (): Promise<void> => {
      const selection = { namespace: namespace.name, labelSelector: `${LABEL.job}=looping` };
      for (const { status } of (await client.list<NodePod>(pods, selection)).items) {
        const [container] = status.containerStatuses ?? [];
        const id = container?.containerID ?? "";
        if (container?.ready !== true || killed.has(id)) continue;
        killed.add(id);
        await node.actions?.killContainer(id).catch(() => undefined); // Weir may be replacing it
      }
    };
    await stage.raise("WeirJobRestartLoop", ofJob("looping"), { fault: kill, cure: () => remove("looping") });
    expect(killed.size).toBeGreaterThan(5);
  });

  it("WeirWatchStale: what an operator and the API server send each other is lost", async () => {
    const leader = await weir.leader(); // it would lose its lease
    const { status } = (await weir.operatorPods()).find(({ metadata }) => metadata.name !== leader) ?? {};
    const address = status?.podIP ?? "";
    const labels = { resource: "streamingjobs", instance: `${address}:${METRICS_PORT}` };
    const tcp = (direction: string[], port: string[]): string[] => [...direction, "-p", "tcp", ...port, "-j", "DROP"];
    const both = [
      tcp(["INPUT", "-s", address], ["--dport", API_SERVER_PORT]),
      tcp(["OUTPUT", "-d", address], ["--sport", API_SERVER_PORT]),
    ];
    const each = async (verb: "-I" | "-D"): Promise<void> => {
      for (const rule of both) await node.actions?.inside(["iptables", "-w", verb, ...rule]);
    };
    const heal = once(() => each("-D"));
    await prometheus.until("heard", async () => {
      await touch();
      return !(await stage.isFiring("WeirWatchStale", labels));
    });
    onTestFinished(() => heal().catch(() => undefined)); // nothing is cut if it failed before
    const cut = once(() => each("-I"));
    await stage.raise("WeirWatchStale", labels, {
      fault: async () => {
        await cut();
        await touch();
      },
      cure: async () => {
        await heal();
        await touch();
      },
    });
  });

  it("WeirNoLeader: the lease belongs to an operator that is gone", async () => {
    const spec = { holderIdentity: "gone", leaseDurationSeconds: 3600, renewTime: microTime(Date.now()) };
    await stage.raise(
      "WeirNoLeader",
      { lease: "weir-operator" },
      {
        fault: once(() =>
          namespace.kubectl(["patch", "lease", "weir-operator", "--type=merge", "-p", JSON.stringify({ spec })]),
        ),
        cure: () => namespace.kubectl(["delete", "lease", "weir-operator"]),
      },
    );
    await weir.leader();
  });
});
