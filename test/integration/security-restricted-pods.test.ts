/** Worker pods in a namespace that enforces restricted Pod Security, on a real API server. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { EpochPlan } from "../../src/controllers/streamingjob/epoch-plan.ts";
import type { JobObject } from "../../src/controllers/weir-resources.ts";
import { streamingJobs } from "../../src/controllers/weir-resources.ts";
import type { KubeObject } from "../../src/kube/resource.ts";
import { configMaps, pods, secrets } from "../../src/kube/resource.ts";
import { datagenJob } from "../builders/datagen-job.ts";
import type { CommandResult, ControlPlane } from "../servers/kubernetes.ts";
import { applyCrds, startControlPlane } from "../servers/kubernetes.ts";
import type { OperatorAccount } from "../servers/operator-account.ts";
import { operatorAccount } from "../servers/operator-account.ts";
import type { WeirCluster } from "../servers/weir-cluster.ts";
import { startWeir } from "../servers/weir-cluster.ts";

const namespace = "restricted";
const PATIENCE = { timeout: 90_000, interval: 200 };
let plane: ControlPlane;
let weir: WeirCluster;
let account: OperatorAccount;

beforeAll(async () => {
  plane = await startControlPlane();
  await applyCrds(plane);
  account = await operatorAccount(plane);
  await account.openNamespaces(namespace);
  await account.grant(namespace);
  const enforced = await plane.kubectl(["label", "ns", namespace, "pod-security.kubernetes.io/enforce=restricted"]);
  expect(enforced.stderr).toBe("");
  weir = await startWeir(plane.server, { server: account.server, namespaces: [namespace] });
});
afterAll(async () => {
  await weir?.stop();
  await plane?.stop();
});

const jobNamed = (name: string, worker: object = {}): JobObject => {
  const job = datagenJob(name, { worker });
  return { ...job, metadata: { name, namespace } };
};
const apply = (object: object, ...flags: string[]): Promise<CommandResult> =>
  plane.kubectl(["apply", "-n", namespace, "-f", "-", ...flags], JSON.stringify(object));
const podsOf = async (job: string): Promise<(KubeObject & { spec: PodSpec })[]> =>
  (await weir.client.list<KubeObject & { spec: PodSpec }>(pods, { namespace, labelSelector: `weir.dev/job=${job}` }))
    .items;
interface PodSpec {
  readonly securityContext: object;
  readonly containers: readonly { readonly securityContext: object }[];
}
const stalled = async (name: string): Promise<string> => {
  const { status } = await weir.job(name, namespace);
  const condition = status?.conditions?.find((c) => c.type === "Stalled");
  return condition === undefined
    ? `not stalled: ${JSON.stringify(status)}`
    : `${condition.reason}: ${condition.message}`;
};
const ready = async (name: string): Promise<string> => {
  const condition = (await weir.job(name, namespace)).status?.conditions?.find((c) => c.type === "Ready");
  return `${condition?.status} ${condition?.reason}: ${condition?.message}`;
};
const runs = (name: string): Promise<void> =>
  expect.poll(async () => (await weir.job(name, namespace)).status?.state, PATIENCE).toBe("RUNNING") as Promise<void>;

const RESTRICTED = {
  allowPrivilegeEscalation: false,
  readOnlyRootFilesystem: true,
  runAsNonRoot: true,
  capabilities: { drop: ["ALL"] },
};

describe("a namespace that enforces restricted Pod Security", () => {
  it("refuses a pod that is not restricted, so that it shows something to have one accepted", async () => {
    const container = { name: "c", image: "weir:test", securityContext: { privileged: true } };
    const pod = { apiVersion: "v1", kind: "Pod", metadata: { name: "loose" }, spec: { containers: [container] } };
    const refused = await apply(pod);
    expect(refused.code).not.toBe(0);
    expect(refused.stderr).toMatch(/violates PodSecurity "restricted:latest": privileged/);
  });

  it("accepts workers whose user the platform chooses", async () => {
    const chosen = "chosen";
    await account.openNamespaces(chosen);
    await account.grant(chosen);
    await plane.kubectl(["label", "ns", chosen, "pod-security.kubernetes.io/enforce=restricted"]);
    await weir.startOperator({ namespaces: [chosen], workerDefaults: { podSecurityContext: { fsGroup: 2000 } } });
    const job = jobNamed("free");
    await weir.client.create(streamingJobs, { ...job, metadata: { ...job.metadata, namespace: chosen } });
    await expect.poll(async () => (await weir.job("free", chosen)).status?.state, PATIENCE).toBe("RUNNING");
    const { items } = await weir.client.list<KubeObject & { spec: PodSpec }>(pods, { namespace: chosen });
    expect(items[0]?.spec.securityContext).toEqual({
      runAsNonRoot: true,
      fsGroup: 2000,
      fsGroupChangePolicy: "OnRootMismatch",
      seccompProfile: { type: "RuntimeDefault" },
    });
  });

  it("accepts the workers of a job that says all it may of its pods", async () => {
    await weir.client.create<KubeObject & { stringData: object }>(secrets, {
      apiVersion: "v1",
      kind: "Secret",
      metadata: { name: "credentials", namespace },
      stringData: { user: "u" },
    });
    const worker = {
      env: [{ name: "USER_NAME", valueFrom: { secretKeyRef: { name: "credentials", key: "user" } } }],
      volumes: [
        { name: "credentials", secret: { secretName: "credentials" } },
        { name: "cache", emptyDir: { sizeLimit: "16Mi" } },
      ],
      volumeMounts: [
        { name: "credentials", mountPath: "/etc/credentials", readOnly: true },
        { name: "cache", mountPath: "/cache" },
      ],
      labels: { team: "a" },
      annotations: { note: "b" },
      tolerations: [{ key: "spot", operator: "Exists" }],
      terminationGracePeriod: "10s",
    };
    await weir.client.create(streamingJobs, jobNamed("full", worker));
    await runs("full");
    const [pod] = await podsOf("full");
    expect(pod?.spec).toMatchObject({
      automountServiceAccountToken: false,
      enableServiceLinks: false,
      terminationGracePeriodSeconds: 10,
      securityContext: { runAsNonRoot: true, runAsUser: 65532, runAsGroup: 65532, fsGroup: 65532 },
      containers: [{ securityContext: RESTRICTED, resources: { limits: { memory: "512Mi" } } }],
    });
    expect(pod?.metadata.labels).toMatchObject({
      "app.kubernetes.io/name": "weir",
      "app.kubernetes.io/component": "worker",
      team: "a",
    });
  });
});

describe("a job that asks for more", () => {
  it.each([
    ["host-path", { volumes: [{ name: "host", hostPath: { path: "/" } }] }, /hostPath is not allowed by restricted/],
    [
      "token",
      { volumes: [{ name: "t", projected: { sources: [{ serviceAccountToken: { path: "t" } }] } }] },
      /no service account's token/,
    ],
    [
      "profile",
      { annotations: { "container.apparmor.security.beta.kubernetes.io/worker": "unconfined" } },
      /would loosen the pod/,
    ],
    [
      "over-tmp",
      { volumes: [{ name: "v", emptyDir: {} }], volumeMounts: [{ name: "v", mountPath: "/etc/weir" }] },
      /is Weir's own; mount elsewhere/,
    ],
  ])("is refused with a condition before any pod is made: %s", async (name, worker, message) => {
    await weir.client.create(streamingJobs, jobNamed(name, worker));
    await expect.poll(() => stalled(name), PATIENCE).toMatch(/^InvalidSpec: spec\.worker\./);
    expect(await stalled(name)).toMatch(message);
    expect(await podsOf(name)).toEqual([]);
  });

  it.each([
    ["privileged", { securityContext: { privileged: true } }],
    ["host-network", { hostNetwork: true }],
    ["root", { securityContext: { runAsUser: 0 } }],
    ["init", { initContainers: [{ name: "i", image: "x" }] }],
  ])("cannot even say so: %s", async (name, worker) => {
    const strict = await apply(jobNamed(name, worker));
    expect(strict.code).not.toBe(0);
    expect(strict.stderr).toContain(`unknown field "spec.worker.${Object.keys(worker)[0]}"`);

    // Who turns the check of unknown fields off gets a pod without them.
    expect(await apply(jobNamed(name, worker), "--validate=false")).toMatchObject({ code: 0 });
    await runs(name);
    const [pod] = await podsOf(name);
    expect(pod?.spec).not.toHaveProperty("initContainers");
    expect(pod?.spec).not.toHaveProperty("hostNetwork");
    expect(pod?.spec.containers[0]?.securityContext).toEqual(RESTRICTED);
  });

  it("gets no pod by writing into the ConfigMap that its pods are built from", async () => {
    await weir.client.create(streamingJobs, jobNamed("tampered"));
    await runs("tampered");
    const ref = { namespace, name: "tampered-1" };
    const plan = await weir.client.get<EpochPlan>(configMaps, ref);
    const pod = JSON.parse(plan.data?.["pod.json"] ?? "{}") as { spec: { containers: { securityContext: object }[] } };
    Object.assign(pod.spec, { hostNetwork: true });
    Object.assign(pod.spec.containers[0]?.securityContext ?? {}, { privileged: true });
    // It would write the ConfigMap again, perhaps sooner than it is done here.
    await weir.operator.stop();
    // The namespace's own check would hide that Weir has one.
    await plane.kubectl(["label", "ns", namespace, "pod-security.kubernetes.io/enforce=privileged", "--overwrite"]);
    await weir.client.delete(configMaps, ref);
    const { name, labels, ownerReferences } = plan.metadata;
    await weir.client.create<EpochPlan>(configMaps, {
      ...plan,
      metadata: { name, namespace, ...(labels && { labels }), ...(ownerReferences && { ownerReferences }) },
      data: { ...plan.data, "pod.json": JSON.stringify(pod) },
    });
    await weir.client.delete(pods, { namespace, name: "tampered-1-0-0" }, { gracePeriodSeconds: 0 });
    await weir.startOperator();
    await expect
      .poll(() => ready("tampered"), PATIENCE)
      .toMatch(/tampered-1 was changed.*hostNetwork.*privileged off/s);
    expect(await podsOf("tampered")).toEqual([]);
  });
});
