/** Install, upgrade, uninstall, install again, on a real API server, with a job whose workers run all the while. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { JobObject } from "../../src/controllers/weir-resources.ts";
import { streamingJobs } from "../../src/controllers/weir-resources.ts";
import { messageOf } from "../../src/errors.ts";
import type { RunningOperator } from "../../src/main/operator.ts";
import { datagenJob } from "../builders/datagen-job.ts";
import type { Helm } from "../servers/helm.ts";
import { chart, startHelm } from "../servers/helm.ts";
import type { ControlPlane } from "../servers/kubernetes.ts";
import { startControlPlane } from "../servers/kubernetes.ts";
import type { ReleasedObject } from "../servers/release.ts";
import { namesIn, objectOf, operatorOf } from "../servers/release.ts";
import type { Ground, Happenings } from "../servers/weir-ground.ts";
import { startGround } from "../servers/weir-ground.ts";

const HOME = "weir-system";
const TEAM = "team-a";
const PATIENCE_MS = 120_000;
const at = ["--namespace", HOME];
const values = ["--set", "image.repository=weir,image.tag=test", "--set", `watchNamespaces={${TEAM}}`];
const install = ["install", "weir", chart, ...at, "--create-namespace", ...values];

const template = ["template", "weir", chart, "--show-only", "templates/monitors.yaml"];

interface Policy {
  readonly spec: {
    readonly podSelector: { readonly matchLabels: Readonly<Record<string, string>> };
    readonly ingress: readonly [{ readonly ports: readonly [{ readonly port: number }] }];
  };
}

let plane: ControlPlane;
let helm: Helm;
beforeAll(async () => {
  plane = await startControlPlane({ controllers: ["clusterrole-aggregation-controller"] });
  helm = await startHelm("helm", plane.kubeconfigPath);
});
afterAll(async () => {
  helm?.stop();
  await plane?.stop();
});

const kubectl = async (...args: string[]): Promise<string> => {
  const { code, stdout, stderr } = await plane.kubectl(args);
  expect(code, `kubectl ${args.join(" ")}: ${stderr}`).toBe(0);
  return stdout;
};

describe("a release with a running job", () => {
  let ground: Ground;
  let happenings: Happenings;
  let operator: RunningOperator | undefined;
  let first: { key: ReleasedObject; claim: ReleasedObject; crd: ReleasedObject };

  const state = (): JobObject["status"] => ground.jobs.get(`${TEAM}/etl`)?.status;
  const ready = (workers: number) => (): boolean =>
    state()?.state === "RUNNING" && state()?.parallelism?.ready === workers && state()?.operation === undefined;
  const log: string[] = [];
  const seen = (): object => ({
    status: state(),
    pods: ground.pods.list().map(({ metadata, status }) => [metadata.name, status]),
    log,
  });
  const restartOperator = async (): Promise<void> => {
    await operator?.stop();
    const options = await operatorOf(plane, HOME);
    operator = await ground.operator(TEAM, {
      ...options,
      log: (level, message, error) => void log.push(`${level} ${message} ${messageOf(error ?? "")}`),
    });
    await operator.leading;
  };
  const kept = async (): Promise<typeof first> => ({
    key: await objectOf(plane, HOME, "secret/weir-worker-key"),
    claim: await objectOf(plane, TEAM, "persistentvolumeclaim/weir-state"),
    crd: await objectOf(plane, HOME, "crd/streamingjobs.weir.dev"),
  });
  const identity = ({ key, claim, crd }: typeof first): object => ({
    key: key.data,
    uids: [key, claim, crd].map((o) => o.metadata.uid),
  });

  beforeAll(async () => {
    await kubectl("create", "namespace", TEAM);
    await kubectl("label", "namespace", TEAM, "pod-security.kubernetes.io/enforce=restricted");
  });
  afterAll(async () => {
    await operator?.stop();
    await ground?.stop();
  });

  it("is installed, and its rights are enough to run a job under the restricted Pod Security profile", async () => {
    await helm.ok(install);
    await kubectl("wait", "--for=condition=Established", "crd/streamingjobs.weir.dev", "--timeout=120s");
    ground = await startGround(plane.server);
    happenings = ground.watch(TEAM);
    await restartOperator();
    const job = datagenJob("etl");
    await ground.client.create(streamingJobs, { ...job, metadata: { name: "etl", namespace: TEAM } });
    await ground.until("running", ready(1), seen, PATIENCE_MS);
    first = await kept();
    expect(Buffer.from(first.key.data?.["key"] ?? "", "base64").toString()).toMatch(/^[A-Za-z0-9]{48}$/);
  });

  it("knows the workers: its network policy selects them, its PodMonitor names their port", async () => {
    const policy = JSON.parse(await kubectl("get", "networkpolicy/weir-workers", "-n", TEAM, "-o", "json")) as Policy;
    const labels = Object.entries(policy.spec.podSelector.matchLabels).map(([name, value]) => `${name}=${value}`);
    const ports = ["-o", "jsonpath={.items[*].spec.containers[*].ports}"];
    const found = await kubectl("get", "pods", "-n", TEAM, "-l", labels.join(","), ...ports);
    const { port } = policy.spec.ingress[0].ports[0];
    expect(JSON.parse(found)).toEqual([{ name: "control", containerPort: port, protocol: "TCP" }]);
    const monitor = await helm.ok([
      ...template,
      "--set",
      "metrics.podMonitor.enabled=true,workerKey.existingSecret=key",
    ]);
    expect(monitor).toContain("- port: control");
  });

  it("lets the cluster's own roles cover jobs: view reads, edit writes, neither touches status", async () => {
    for (const role of ["view", "edit"])
      await kubectl("create", "clusterrolebinding", role, `--clusterrole=${role}`, `--user=${role}`);
    const can = async (user: string, ...what: string[]): Promise<boolean> =>
      (await plane.kubectl(["auth", "can-i", ...what, "-n", TEAM, "--as", user])).code === 0;
    // The controller fills the roles one after another: what edit has by way of view comes last.
    for (const [user, ...what] of [
      ["view", "list", "streamingjobs"],
      ["edit", "create", "controlpolicies"],
      ["edit", "list", "maintenancewindows"],
      ["edit", "patch", "streamingjobs", "--subresource=scale"],
    ] as const)
      await expect.poll(() => can(user, ...what), { timeout: PATIENCE_MS }).toBe(true);
    expect(await can("view", "patch", "streamingjobs")).toBe(false);
    expect(await can("edit", "update", "streamingjobs", "--subresource=status")).toBe(false);
  });

  it("is upgraded: the operator gets its new configuration, the key stays, no worker restarts", async () => {
    const started = [...happenings.started];
    await helm.ok([
      "upgrade",
      "weir",
      chart,
      ...at,
      "--reset-then-reuse-values",
      "--set",
      "config.reconcile.concurrency=3",
    ]);
    const { tuning } = await operatorOf(plane, HOME);
    expect(tuning?.concurrency).toBe(3);
    await restartOperator();
    await ground.until("running", ready(1), seen, PATIENCE_MS);
    expect(identity(await kept())).toEqual(identity(first));
    expect(happenings.started).toEqual(started);
    expect(happenings.deleted).toEqual([]);
  });

  it("is uninstalled: kinds, job, running worker, claim, workers' account and key stay", async () => {
    await operator?.stop();
    await helm.ok(["uninstall", "weir", ...at]);
    expect(await namesIn(plane, HOME)).toEqual(["secret/weir-worker-key"]);
    expect((await namesIn(plane, TEAM)).filter((name) => !name.startsWith("configmap/"))).toEqual([
      "persistentvolumeclaim/weir-state",
      "serviceaccount/weir-worker",
    ]);
    expect(identity(await kept())).toEqual(identity(first));
    expect(await kubectl("get", "pods,streamingjobs", "-n", TEAM, "-o", "name")).toMatch(
      /^pod\/etl-\S+\nstreamingjob\.weir\.dev\/etl\n$/,
    );
    expect(happenings.deleted).toEqual([]);
    expect(await kubectl("get", "clusterroles", "-o", "name")).not.toMatch(/\/weir/);
  });

  it("is installed again: it takes up what stayed, and the job goes on where it was", async () => {
    const started = [...happenings.started];
    await helm.ok(install);
    expect(identity(await kept())).toEqual(identity(first));
    await restartOperator();
    await ground.until("running", ready(1), seen, PATIENCE_MS);
    expect(happenings.started).toEqual(started);
    await kubectl("scale", "streamingjob/etl", "-n", TEAM, "--replicas=2");
    await ground.until("scaled to 2", ready(2), seen, PATIENCE_MS);
  });
});

describe("a tenant with rights in one namespace only", () => {
  const namespace = "tenant";
  const here = ["--namespace", namespace, "--kube-as-user", "tenant"];
  let helm3: Helm;
  beforeAll(async () => {
    helm3 = await startHelm("helm3", plane.kubeconfigPath);
    await kubectl("create", "namespace", namespace);
    await kubectl("create", "rolebinding", "tenant", "--clusterrole=cluster-admin", "--user=tenant", "-n", namespace);
  });
  afterAll(() => helm3?.stop());

  it("installs, upgrades, uninstalls and installs again with Helm 3", async () => {
    const install3 = ["install", "weir", chart, ...here, "--set", "crds.enabled=false,rbac.aggregatedRoles=false"];
    await helm3.ok(install3);
    const key = await objectOf(plane, namespace, "secret/weir-worker-key");
    await helm3.ok(["upgrade", "weir", chart, ...here, "--reuse-values", "--set", "replicas=1"]);
    const replicas = ["get", "deployment/weir-operator", "-n", namespace, "-o", "jsonpath={.spec.replicas}"];
    expect(await kubectl(...replicas)).toBe("1");
    await helm3.ok(["uninstall", "weir", ...here]);
    await helm3.ok(install3);
    expect(await objectOf(plane, namespace, "secret/weir-worker-key")).toMatchObject({ data: key.data });
  });

  it("goes on with Helm 4, and is told what is in the way where the chart would need more", async () => {
    const upgrade = ["upgrade", "weir", chart, ...here, "--set", "crds.enabled=false"];
    await helm.ok([...upgrade, "--set", "rbac.aggregatedRoles=false"]);
    const { code, stderr } = await helm.run(upgrade);
    expect(code).not.toBe(0);
    expect(stderr).toMatch(/clusterroles.* is forbidden: User "tenant"/);
  });
});
