/** Install, upgrade, uninstall, install again, on a real API server, with a job whose workers run all the while. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { JobObject } from "../../src/controllers/weir-resources.ts";
import { streamingJobs } from "../../src/controllers/weir-resources.ts";
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
const PATIENCE_MS = 60_000;
const at = ["--namespace", HOME];
const values = ["--set", "image.repository=weir,image.tag=test", "--set", `watchNamespaces={${TEAM}}`];
const install = ["install", "weir", chart, ...at, "--create-namespace", ...values];

let plane: ControlPlane;
let helm: Helm;
beforeAll(async () => {
  plane = await startControlPlane();
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
  const restartOperator = async (): Promise<void> => {
    await operator?.stop();
    operator = await ground.operator(TEAM, await operatorOf(plane, HOME));
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
    await ground.until("running", ready(1), state, PATIENCE_MS);
    first = await kept();
    expect(Buffer.from(first.key.data?.["key"] ?? "", "base64").toString()).toMatch(/^[A-Za-z0-9]{48}$/);
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
    await ground.until("running", ready(1), state, PATIENCE_MS);
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
    await ground.until("running", ready(1), state, PATIENCE_MS);
    expect(happenings.started).toEqual(started);
    await kubectl("scale", "streamingjob/etl", "-n", TEAM, "--replicas=2");
    await ground.until("scaled to 2", ready(2), state, PATIENCE_MS);
  });
});

describe("a tenant with rights in one namespace only", () => {
  it.each(["helm", "helm3"] as const)("installs, upgrades, uninstalls and installs again with %s", async (tool) => {
    const namespace = `tenant-${tool}`;
    const here = ["--namespace", namespace, "--kube-as-user", "tenant"];
    const installed = ["install", "weir", chart, ...here, "--set", "crds.enabled=false,rbac.aggregatedRoles=false"];
    await kubectl("create", "namespace", namespace);
    await kubectl("create", "rolebinding", "tenant", "--clusterrole=cluster-admin", "--user=tenant", "-n", namespace);
    const tenant = await startHelm(tool, plane.kubeconfigPath);
    try {
      await tenant.ok(installed);
      const key = await objectOf(plane, namespace, "secret/weir-worker-key");
      await tenant.ok(["upgrade", "weir", chart, ...here, "--reuse-values", "--set", "replicas=1"]);
      expect(await kubectl("get", "deployment/weir-operator", "-n", namespace, "-o", "jsonpath={.spec.replicas}")).toBe(
        "1",
      );
      await tenant.ok(["uninstall", "weir", ...here]);
      await tenant.ok(installed);
      expect(await objectOf(plane, namespace, "secret/weir-worker-key")).toMatchObject({ data: key.data });
    } finally {
      tenant.stop();
    }
  });

  it("is told what is in the way where the chart would need more", async () => {
    const args = ["--namespace", "tenant-helm", "--kube-as-user", "tenant", "--set", "crds.enabled=false"];
    const { code, stderr } = await helm.run(["upgrade", "weir", chart, ...args]);
    expect(code).not.toBe(0);
    expect(stderr).toMatch(/clusterroles.* is forbidden: User "tenant"/);
  });
});
