import { cpSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { streamingJobs } from "../../src/controllers/weir-resources.ts";
import type { JobObject } from "../../src/controllers/weir-resources.ts";
import type { RunningOperator } from "../../src/main/operator.ts";
import type { Application, ArgoCD } from "../servers/argocd.ts";
import { startArgoCD } from "../servers/argocd.ts";
import { askedArgo } from "../servers/argocd-lua.ts";
import type { Reader } from "../servers/docs-page.ts";
import { commandsOf, startReader } from "../servers/docs-page.ts";
import type { ControlPlane } from "../servers/kubernetes.ts";
import { startControlPlane } from "../servers/kubernetes.ts";
import { toolBinary } from "../servers/tools.ts";
import type { Ground } from "../servers/weir-ground.ts";
import { startGround } from "../servers/weir-ground.ts";

/** The example of config/argocd, as docs/install/argocd.md applies it, from a Git repository of the test's own. */
const example = join(import.meta.dirname, "../../config/argocd/example");
const read = (file: string): string => readFileSync(join(example, file), "utf8");
const NAMESPACE = "weir-system";
const APPLICATION = "weir";
const JOB = "realtime-etl";
const JOB_FILE = `jobs/${JOB}.yaml`;

let plane: ControlPlane;
let argo: ArgoCD;
/** Of docs/install/argocd.md. */
let reader: Reader;
const [settings = "", key = "", application = "", wait = "", remove = ""] = commandsOf("install/argocd.md");
let ground: Ground;
let operator: RunningOperator;
const times: string[] = [];

/** Of the controller manager, for what the chart has besides the kinds. */
const CONTROLLERS = [
  "garbage-collector-controller",
  "namespace-controller",
  "serviceaccount-controller",
  "deployment-controller",
  "disruption-controller",
  "persistentvolume-binder-controller",
];

beforeAll(async () => {
  await Promise.all([toolBinary("argocd"), toolBinary("helm3")]); // built here, outside of any test's time
}, 1_800_000);
beforeAll(async () => {
  plane = await startControlPlane({ controllers: CONTROLLERS });
  argo = await startArgoCD(plane);
  reader = await startReader(plane.kubeconfigPath);
});
afterAll(async () => {
  if (times.length > 0) console.log(`Argo CD: ${times.join(", ")}; ${argo.figures()}`);
  await operator?.stop();
  await ground?.stop();
  reader?.stop();
  await argo?.stop();
  await plane?.stop();
});

async function kubectl(args: readonly string[], stdin?: string): Promise<string> {
  const { code, stdout, stderr } = await plane.kubectl(args, stdin);
  if (code !== 0) throw new Error(`kubectl ${args.join(" ")}: ${stderr}`);
  return stdout;
}
const ref = { namespace: NAMESPACE, name: JOB };
const job = (): Promise<JobObject> => ground.client.get<JobObject>(streamingJobs, ref);
const parallelismOf = ({ spec }: JobObject): unknown => (spec as { parallelism?: unknown }).parallelism;
const isReady = ({ status }: JobObject): boolean =>
  status?.conditions?.some((c) => c.type === "Ready" && c.status === "True") === true;
const runsOn =
  (workers: number) =>
  (object: JobObject): boolean =>
    object.status?.parallelism?.ready === workers && isReady(object);

async function untilJob(what: string, fits: (job: JobObject) => boolean): Promise<JobObject> {
  const seen = (): JobObject | undefined => ground.jobs.list().find((j) => j.metadata.name === JOB);
  const fitting = (): JobObject | undefined => [seen()].find((j) => j !== undefined && fits(j));
  await ground.until(what, () => fitting() !== undefined, seen);
  return fitting() ?? job();
}

/** Synced to what is in Git, with this health. */
const is =
  (health: string, revision?: string) =>
  ({ status }: Application): boolean =>
    status?.sync?.status === "Synced" &&
    status.health?.status === health &&
    (revision === undefined || status.sync.revisions?.includes(revision) === true);
const healthOf = (application: Application, name: string) =>
  application.status?.resources?.find((r) => r.kind === "StreamingJob" && r.name === name)?.health;

async function timed<T>(what: string, doing: () => Promise<T>): Promise<T> {
  const started = performance.now();
  const result = await doing();
  times.push(`${what} ${((performance.now() - started) / 1000).toFixed(1)} s`);
  return result;
}

async function commit(files: Readonly<Record<string, string | null>>): Promise<string> {
  const revision = await argo.commit(files);
  await argo.refresh(APPLICATION);
  return revision;
}

/** What a click on an action does. */
async function click(action: string): Promise<void> {
  const [patch] = await askedArgo<object>([{ run: action, object: await job() }]);
  await ground.client.patch(streamingJobs, ref, patch ?? {}, { fieldValidation: "Strict" });
}

/** Each act goes on where the one before ended: after a failure the rest would only wait for what never comes. */
let isBroken = false;
const act = (sentence: string, doing: () => Promise<void>): void =>
  it(sentence, { timeout: 600_000 }, async (context) => {
    if (isBroken) context.skip("an act before failed");
    isBroken = true;
    await doing();
    isBroken = false;
  });

describe("an Application with the operator and a job", () => {
  act("goes Synced and Healthy", async () => {
    cpSync(join(example, "../../../charts/weir"), join(argo.repoFolder, "charts/weir"), { recursive: true });
    await argo.commit({ [JOB_FILE]: read(JOB_FILE) });
    await reader.run(settings);
    await reader.run(key);
    await kubectl(["apply", "-f", "-"], VOLUME);
    // Nothing runs the operator's pods here: its process is beside this cluster.
    const own = ["s/^ *workerKey:/          replicas: 0\\n&/", 's/stateClaim: {/&storageClassName: "", /'];
    await reader.run(own.map((edit) => `sed -i '${edit}' config/argocd/example/application.yaml`).join("\n"));
    await timed("operator and job Synced and Healthy", async () => {
      await reader.run(application.replace(/^repository=.*$/m, `repository=${argo.repoUrl}`));
      await argo.until(APPLICATION, "applying the kinds", ({ status }) => status?.operationState !== undefined);
      await untilServed();
      ground = await startGround(plane.server);
      operator = await ground.operator(NAMESPACE);
      await argo.until(APPLICATION, "Synced and Healthy", is("Healthy"));
      await reader.run(wait);
    });
    expect(isReady(await job())).toBe(true);
  });

  act("scales the job by a change in Git", async () => {
    await timed("scaled by Git", async () => {
      const revision = await commit({ [JOB_FILE]: read(JOB_FILE).replace("parallelism: 1", "parallelism: 2") });
      await untilJob("scaled to 2", runsOn(2));
      await argo.until(APPLICATION, "Synced and Healthy", is("Healthy", revision));
    });
  });

  act("takes a kubectl scale back, because Git says otherwise", async () => {
    await kubectl(["-n", NAMESPACE, "scale", `streamingjob/${JOB}`, "--replicas=1"]);
    await untilJob("scaled by hand", (j) => (j.metadata.generation ?? 0) > 2);
    await timed("kubectl scale healed", async () => {
      await untilJob("healed", (j) => parallelismOf(j) === 2);
    });
    await untilJob("back at 2", runsOn(2));
  });

  act(
    "does not fight a policy: the job runs on more workers, its spec stays, and the Application stays Synced",
    async () => {
      const policy = read("jobs/keep-up.yaml").replace("> 10000", ">= 0").replace('"4"', '"3"');
      const revision = await commit({ "jobs/keep-up.yaml": policy });
      const scaled = await timed("scaled by a policy", () => untilJob("scaled by its policy", runsOn(3)));
      expect(scaled.status?.overrides).toEqual([
        expect.objectContaining({
          field: "parallelism",
          value: "3",
          by: "policy/keep-up/scale-on-lag",
          specValue: "2",
        }),
      ]);
      await argo.until(APPLICATION, "Synced and Healthy", is("Healthy", revision));
      for (let rounds = 0; rounds < 4; rounds += 1) {
        const before = (await argo.until(APPLICATION, "there", () => true)).status?.reconciledAt;
        await argo.refresh(APPLICATION);
        const seen = await argo.until(APPLICATION, "compared again", ({ status }) => status?.reconciledAt !== before);
        expect(seen.status?.sync?.status).toBe("Synced");
      }
      const after = await job();
      expect(after.status?.parallelism).toMatchObject({ effective: 3 });
      expect(after.spec).toEqual(scaled.spec);
      expect(after.metadata.generation).toBe(scaled.metadata.generation);
    },
  );

  act("restarts the job by an action, which is no difference to Git", async () => {
    const { status } = await job();
    await timed("restarted by an action", async () => {
      await click("restart");
      await untilJob("restarted", (j) => (j.status?.epoch ?? 0) > (status?.epoch ?? 0) && isReady(j));
    });
    expect((await job()).status?.requests?.[0]).toMatchObject({ verb: "restart", outcome: "Accepted" });
    await argo.until(APPLICATION, "Synced and Healthy", is("Healthy"));
  });

  act("shows a job that is stopped by an action as Suspended, and Healthy once it is started again", async () => {
    await timed("stopped by an action, Suspended", async () => {
      await click("stop");
      const seen = await argo.until(APPLICATION, "Synced and Suspended", is("Suspended"));
      expect(healthOf(seen, JOB)?.message).toMatch(/^Stopped: stopped, asked for by verb\/stop=/);
    });
    await timed("started by an action, Healthy", async () => {
      await click("start");
      await argo.until(APPLICATION, "Synced and Healthy", is("Healthy"));
    });
  });

  act("shows a job that failed as Degraded, with its message, and recovers when Git drops it", async () => {
    const broken = read(JOB_FILE)
      .replace(JOB, "broken")
      .replace("spec:", 'spec:\n  startFrom: {savepoint: "file:///var/lib/weir/state/nowhere"}');
    await timed("a failed job Degraded", async () => {
      await commit({ "jobs/broken.yaml": broken });
      const seen = await argo.until(APPLICATION, "Degraded", ({ status }) => status?.health?.status === "Degraded");
      expect(healthOf(seen, "broken")).toMatchObject({
        status: "Degraded",
        message: expect.stringContaining("file:///var/lib/weir/state/nowhere") as string,
      });
    });
    const revision = await commit({ "jobs/broken.yaml": null });
    await argo.until(APPLICATION, "Synced and Healthy", is("Healthy", revision));
  });

  act("leaves nothing when it is deleted, but what the chart keeps so that no data is lost", async () => {
    await timed("deleted", () => reader.run(remove));
    const kinds =
      "streamingjobs,controlpolicies,pods,configmaps,deployments,services,roles,rolebindings,networkpolicies";
    const left = await kubectl(["-n", NAMESPACE, "get", kinds, "-o", "name"]);
    expect(left.split("\n").filter((name) => name !== "" && name !== "configmap/kube-root-ca.crt")).toEqual([]);
    const kept = await kubectl(["-n", NAMESPACE, "get", "persistentvolumeclaims,serviceaccounts", "-o", "name"]);
    const definitions = await kubectl(["get", "customresourcedefinitions", "-o", "name"]);
    expect(definitions.split("\n").filter((name) => name.endsWith(".weir.dev"))).toHaveLength(3);
    expect(kept.trim().split("\n").toSorted()).toEqual([
      "persistentvolumeclaim/weir-state",
      "serviceaccount/default",
      "serviceaccount/weir-worker",
    ]);
  });
});

const VOLUME = JSON.stringify({
  apiVersion: "v1",
  kind: "PersistentVolume",
  metadata: { name: "weir-state" },
  spec: {
    capacity: { storage: "10Gi" },
    accessModes: ["ReadWriteMany"],
    hostPath: { path: "/nonexistent" },
    persistentVolumeReclaimPolicy: "Retain",
  },
});

/** Argo CD has applied the kinds, and the API server serves them. */
async function untilServed(): Promise<void> {
  for (const deadline = Date.now() + 120_000; ; await delay(250)) {
    const { code, stderr } = await plane.kubectl(["get", "streamingjobs,controlpolicies,maintenancewindows", "-A"]);
    if (code === 0) return;
    if (Date.now() > deadline) throw new Error(stderr);
  }
}
