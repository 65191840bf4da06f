import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createKubeClient } from "../../src/kube/client.ts";
import { serverFromKubeconfig } from "../../src/kube/kubeconfig.ts";
import type { Transport } from "../../src/kube/transport.ts";
import { createTransport } from "../../src/kube/transport.ts";
import { hurriedRules } from "../builders/alert-rules.ts";
import { nodeJob } from "../builders/node-job.ts";
import {
  auditedCalls,
  leaderRules,
  permissionsGranted,
  permissionsUsed,
  watchedRules,
} from "../builders/operator-role.ts";
import { nodeCluster } from "../servers/node-cluster.ts";
import type { NodeNamespace } from "../servers/node-namespace.ts";
import { resultsOf } from "../servers/node-results.ts";
import { type WeirRelease, installWeir } from "../servers/node-weir.ts";
import type { Prometheus } from "../servers/prometheus.ts";
import { startPrometheus } from "../servers/prometheus.ts";

const TENANT = "tenant";
const METRICS_PORT = 8081;

const node = nodeCluster();

describe.skipIf(node.actions === undefined)("a tenant without any right beyond one namespace", () => {
  let namespace: NodeNamespace;
  let weir: WeirRelease;
  let transport: Transport;
  let prometheus: Prometheus;

  beforeAll(async () => {
    await node.kubectl(["apply", "--server-side", "--force-conflicts", "-f", "crds/"]); // what an administrator does once
    namespace = await node.namespace(TENANT);
    await namespace.kubectl(["create", "rolebinding", TENANT, "--clusterrole=cluster-admin", `--user=${TENANT}`]);
    const values = { crds: { enabled: false }, rbac: { aggregatedRoles: false } };
    weir = await installWeir(node, namespace, { values, user: TENANT });
    transport = createTransport({ server: await serverFromKubeconfig(node.facts.kubeconfigPath) });
    const pods = await weir.operatorPods();
    prometheus = await startPrometheus({
      rules: hurriedRules(3600),
      operators: pods.map(({ status }) => `${status.podIP}:${METRICS_PORT}`),
      workersOf: createKubeClient(transport),
    });
  });
  afterAll(async () => {
    await prometheus?.stop();
    await transport?.close();
  });

  it("installs the chart and runs a job", async () => {
    await namespace.apply(nodeJob("etl"));
    await namespace.waitFor("sj/etl", "condition=Ready");
    const results = await resultsOf(namespace, "etl");
    await results.grow();
    expect(await results.faults()).toEqual([]);
  });

  it("sees operator and workers in a real Prometheus", async () => {
    const here = `job_namespace="${namespace.name}",job_name="etl"`;
    const has = (query: string) => async (): Promise<boolean> => (await prometheus.query(query)).length > 0;
    await prometheus.until("a leader", has("weir_leader == 1"));
    await prometheus.until("the job's state", has(`weir_job_state{${here},state="RUNNING"} == 1`));
    await prometheus.until("a worker that reads", has(`weir_worker_records_in_total{${here}} > 0`));
  });

  it("is alerted of a job that cannot start, until it can", async () => {
    const fires = async (): Promise<boolean> =>
      (await prometheus.alerts()).some((a) => a.state === "firing" && a.labels["job_name"] === "absent");
    await namespace.apply(nodeJob("absent", { image: "localhost/absent:1" }));
    await prometheus.until("firing: the job is not ready", fires);
    await namespace.apply(nodeJob("absent"));
    await namespace.waitFor("sj/absent", "condition=Ready");
    await prometheus.until("over: the job is ready", async () => !(await fires()));
  });

  it("has a namespace that refuses pods which are not restricted", async () => {
    const pod = { apiVersion: "v1", kind: "Pod", metadata: { name: "root" } };
    const spec = { containers: [{ name: "c", image: "localhost/weir:1", securityContext: { privileged: true } }] };
    await expect(namespace.apply({ ...pod, spec })).rejects.toThrow(/violates PodSecurity "restricted/);
  });

  it("has an operator that used its Role, nothing beyond it, and no Secret", async () => {
    await namespace.kubectl(["delete", "sj", "--all", "--timeout=120s"]);
    const user = `system:serviceaccount:${namespace.name}:weir-operator`;
    const calls = auditedCalls(readFileSync(node.facts.auditLog ?? "", "utf8"), user);
    const used = permissionsUsed(calls);
    const granted = new Set(permissionsGranted([...watchedRules, ...leaderRules]));
    console.log(`${calls.length} calls of the operator, of ${used.length} kinds`);
    expect(used.length).toBeGreaterThan(15);
    expect(used.filter((permission) => !granted.has(permission))).toEqual([]);
    expect(used.filter((permission) => permission.includes("secrets"))).toEqual([]);
    expect([...new Set(calls.map((call) => call.namespace))]).toEqual([namespace.name]);
  });
});
