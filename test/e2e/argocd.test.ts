import { cpSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { streamingJobs } from "../../src/controllers/weir-resources.ts";
import type { JobObject } from "../../src/controllers/weir-resources.ts";
import { createKubeClient } from "../../src/kube/client.ts";
import type { KubeClient } from "../../src/kube/client.ts";
import { serverFromKubeconfig } from "../../src/kube/kubeconfig.ts";
import { createTransport } from "../../src/kube/transport.ts";
import type { Transport } from "../../src/kube/transport.ts";
import type { Application, ArgoCD } from "../servers/argocd.ts";
import { startArgoCD } from "../servers/argocd.ts";
import { askedArgo } from "../servers/argocd-lua.ts";
import type { Reader } from "../servers/docs-page.ts";
import { commandsOf, startReader } from "../servers/docs-page.ts";
import { eventually } from "../servers/node-actions.ts";
import { nodeCluster } from "../servers/node-cluster.ts";
import { forgetWeir } from "../servers/node-forget.ts";
import type { NodePod } from "../servers/node-namespace.ts";
import type { Endings } from "../servers/node-watch.ts";
import { watchEndings } from "../servers/node-watch.ts";
import { toolBinary } from "../servers/tools.ts";

/** The example of config/argocd, as docs/install/argocd.md applies it, from a Git repository of the test's own. */
const example = join(import.meta.dirname, "../../config/argocd/example");
const read = (file: string): string => readFileSync(join(example, file), "utf8");
const NAMESPACE = "weir-system";
const APPLICATION = "weir";
const JOB = "realtime-etl";
const JOB_FILE = `jobs/${JOB}.yaml`;
const OPERATORS = "app.kubernetes.io/component=operator";
const WORKERS = `weir.dev/job=${JOB}`;

const node = nodeCluster();
let argo: ArgoCD;
/** Of docs/install/argocd.md. */
let reader: Reader;
const [settings = "", key = "", application = "", wait = "", remove = ""] = commandsOf("install/argocd.md");
let transport: Transport;
let client: KubeClient;
let endings: Endings;
const times: string[] = [];

beforeAll(async () => {
  await Promise.all([toolBinary("argocd"), toolBinary("helm3")]); // built here, outside of any test's time
  await forgetWeir(node, NAMESPACE);
  const { kubeconfigPath } = node.facts;
  const server = await serverFromKubeconfig(kubeconfigPath);
  transport = createTransport({ server });
  client = createKubeClient(transport);
  argo = await startArgoCD({ kubeconfigPath, server, kubectl: node.tryKubectl });
  reader = await startReader(kubeconfigPath);
});
afterAll(async () => {
  if (times.length > 0) console.log(`Argo CD: ${times.join(", ")}; ${argo.figures()}`);
  await endings?.stop();
  reader?.stop();
  await argo?.remove();
  await transport?.close();
  await forgetWeir(node, NAMESPACE);
});

const here = (...args: readonly string[]): Promise<string> => node.kubectl([...args, "-n", NAMESPACE]);
const ref = { namespace: NAMESPACE, name: JOB };
const job = (): Promise<JobObject> => client.get<JobObject>(streamingJobs, ref);
const parallelismOf = ({ spec }: JobObject): unknown => (spec as { parallelism?: unknown }).parallelism;
const isReady = ({ status }: JobObject): boolean =>
  status?.conditions?.some((c) => c.type === "Ready" && c.status === "True") === true;
const runsOn =
  (workers: number) =>
  (object: JobObject): boolean =>
    object.status?.parallelism?.ready === workers && isReady(object);

async function untilJob(what: string, fits: (job: JobObject) => boolean): Promise<JobObject> {
  let seen: JobObject | undefined;
  const look = async (): Promise<JobObject | undefined> => {
    seen = await client.find<JobObject>(streamingJobs, ref);
    return seen !== undefined && fits(seen) ? seen : undefined;
  };
  return eventually(what, look, { seen: () => seen });
}

async function podsOf(selector: string): Promise<NodePod[]> {
  const { items } = await node.get<{ items: NodePod[] }>(["pods", "-n", NAMESPACE, "-l", selector]);
  return items;
}
/** Ready, and of the image that was built here. */
async function readyPods(selector: string): Promise<NodePod[]> {
  const { repository, tag } = node.facts.image;
  return (await podsOf(selector)).filter(({ spec, status }) => {
    expect(spec.containers.map(({ image }) => image)).toEqual([`${repository}:${tag}`]);
    return status.containerStatuses?.every(({ ready }) => ready) === true;
  });
}
/** The kubelet asks a worker some seconds after the operator has heard it run. */
const untilReadyPods = (selector: string, count: number): Promise<NodePod[]> =>
  eventually(`${count} ready of ${selector}`, async () => {
    const pods = await readyPods(selector);
    return pods.length === count ? pods : undefined;
  });

/** Synced to what is in Git, with this health. */
const is =
  (health: string, revision?: string) =>
  ({ status }: Application): boolean =>
    status?.sync?.status === "Synced" &&
    status.health?.status === health &&
    (revision === undefined || status.sync.revisions?.includes(revision) === true);
const healthOf = (object: Application, name: string) =>
  object.status?.resources?.find((r) => r.kind === "StreamingJob" && r.name === name)?.health;

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
  await client.patch(streamingJobs, ref, patch ?? {}, { fieldValidation: "Strict" });
}

/** The image that the node has, and on KinD what its volumes can do. */
function ownValues(): string {
  const { repository, tag } = node.facts.image;
  const modes = node.actions === undefined ? "accessModes: [ReadWriteOnce], " : "";
  const image = `s#^ *workerKey:#          image: {repository: ${repository}, tag: "${tag}"}\\n&#`;
  return [image, `s#stateClaim: {#&${modes}#`]
    .map((edit) => `sed -i '${edit}' config/argocd/example/application.yaml`)
    .join("\n");
}

const timeOf = async (path: string, ...object: readonly string[]): Promise<number> =>
  Date.parse(await here("get", ...object, "-o", `jsonpath={${path}}`));

/** Each act goes on where the one before ended: after a failure the rest would only wait for what never comes. */
let isBroken = false;
const act = (sentence: string, doing: () => Promise<void>): void =>
  it(sentence, { timeout: 600_000 }, async (context) => {
    if (isBroken) context.skip("an act before failed");
    isBroken = true;
    await doing();
    isBroken = false;
  });

describe("an Application with the operator and a job, on a real node", () => {
  act("goes Synced and Healthy: two operators and a worker run", async () => {
    cpSync(join(example, "../../../charts/weir"), join(argo.repoFolder, "charts/weir"), { recursive: true });
    await argo.commit({ [JOB_FILE]: read(JOB_FILE) });
    await reader.run(settings);
    await reader.run(key);
    await node.kubectl(["label", "namespace", NAMESPACE, "pod-security.kubernetes.io/enforce=restricted"]);
    await reader.run(ownValues());
    await timed("operator and job Synced and Healthy", async () => {
      await reader.run(application.replace(/^repository=.*$/m, `repository=${argo.repoUrl}`));
      await argo.until(APPLICATION, "Synced and Healthy", is("Healthy"));
      await reader.run(wait);
    });
    expect(isReady(await job())).toBe(true);
    await untilReadyPods(OPERATORS, 2);
    await untilReadyPods(WORKERS, 1);
  });

  act("is led by one of its pods, as the Lease says by name", async () => {
    const holder = await here("get", "lease", "weir-operator", "-o", "jsonpath={.spec.holderIdentity}");
    const names = (await podsOf(OPERATORS)).map(({ metadata }) => metadata.name);
    expect(names).toContain(holder.split("_")[0]);
  });

  act(
    "came in the order of its waves: the kinds, the operator, then the job, once the operator was there",
    async () => {
      const [kind, deployment, available, applied] = await Promise.all([
        timeOf(".metadata.creationTimestamp", "crd", "streamingjobs.weir.dev"),
        timeOf(".metadata.creationTimestamp", "deployment", "weir-operator"),
        timeOf('.status.conditions[?(@.type=="Available")].lastTransitionTime', "deployment", "weir-operator"),
        timeOf(".metadata.creationTimestamp", "streamingjob", JOB),
      ]);
      expect([kind, deployment, available, applied].toSorted((a, b) => a - b)).toEqual([
        kind,
        deployment,
        available,
        applied,
      ]);
    },
  );

  act("scales the job by a change in Git", async () => {
    await timed("scaled by Git", async () => {
      const revision = await commit({ [JOB_FILE]: read(JOB_FILE).replace("parallelism: 1", "parallelism: 2") });
      await untilJob("scaled to 2", runsOn(2));
      await argo.until(APPLICATION, "Synced and Healthy", is("Healthy", revision));
    });
    await untilReadyPods(WORKERS, 2);
  });

  act("takes a kubectl scale back, because Git says otherwise", async () => {
    await here("scale", `streamingjob/${JOB}`, "--replicas=1");
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
      for (let rounds = 0; rounds < 2; rounds += 1) {
        const before = (await argo.until(APPLICATION, "there", () => true)).status?.reconciledAt;
        await argo.refresh(APPLICATION);
        const seen = await argo.until(APPLICATION, "compared again", ({ status }) => status?.reconciledAt !== before);
        expect(seen.status?.sync?.status).toBe("Synced");
      }
      const after = await job();
      expect(after.status?.parallelism).toMatchObject({ effective: 3 });
      expect(after.spec).toEqual(scaled.spec);
      expect(after.metadata.generation).toBe(scaled.metadata.generation);
      await untilReadyPods(WORKERS, 3);
    },
  );

  act("restarts the job by an action, which is no difference to Git", async () => {
    const { status } = await job();
    const before = (await podsOf(WORKERS)).map(({ metadata }) => metadata.uid);
    await timed("restarted by an action", async () => {
      await click("restart");
      await untilJob("restarted", (j) => (j.status?.epoch ?? 0) > (status?.epoch ?? 0) && isReady(j));
    });
    expect((await job()).status?.requests?.[0]).toMatchObject({ verb: "restart", outcome: "Accepted" });
    const ready = await readyPods(WORKERS);
    expect(ready.filter(({ metadata }) => before.includes(metadata.uid))).toEqual([]);
    await argo.until(APPLICATION, "Synced and Healthy", is("Healthy"));
  });

  act(
    "keeps its workers while their key is changed, is no difference to Git, and moves them when asked to",
    async () => {
      const [addKey = "", moveWorkers = "", dropKey = ""] = commandsOf("install/worker-key.md");
      const uids = async (): Promise<unknown[]> => (await readyPods(WORKERS)).map(({ metadata }) => metadata.uid);
      const before = await uids();
      const { epoch = 0, savepoint } = (await job()).status ?? {};
      await timed("the workers' key changed", async () => {
        await reader.run(addKey);
        expect(await uids()).toEqual(before);
        await argo.until(APPLICATION, "Synced and Healthy", is("Healthy"));
        await reader.run(moveWorkers);
        const moved = await untilJob("moved", (j) => (j.status?.epoch ?? 0) > epoch && isReady(j));
        // Only workers that the operator commands take a savepoint.
        expect(moved.status?.savepoint?.uri).not.toBe(savepoint?.uri);
        await reader.run(dropKey);
      });
      await untilJob("still commanded", isReady);
    },
  );

  act("shows a job that is stopped by an action as Suspended, and Healthy once it is started again", async () => {
    await timed("stopped by an action, Suspended", async () => {
      await click("stop");
      const seen = await argo.until(APPLICATION, "Synced and Suspended", is("Suspended"));
      expect(healthOf(seen, JOB)?.message).toMatch(/^Stopped: stopped, asked for by verb\/stop=/);
    });
    await untilReadyPods(WORKERS, 0);
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
});

describe("when the Application is deleted", () => {
  act("jobs and workers go before the operator, which is there to end them", async () => {
    endings = await watchEndings(client, NAMESPACE);
    await timed("deleted", () => reader.run(remove));
    await here("wait", "pods", "--all", "--for=delete", "--timeout=120s");
    const order = await eventually("the ends of the job and of two operators", () => {
      const { seen } = endings;
      return seen.filter((name) => name.startsWith("Pod weir-operator-")).length >= 2 ? seen : undefined;
    });
    const firstOperator = order.findIndex((name) => name.startsWith("Pod weir-operator-"));
    const lastOfJob = order.findLastIndex((name) => name.includes(JOB));
    expect(order[lastOfJob]).toBeDefined();
    expect(lastOfJob).toBeLessThan(firstOperator);
    expect(order).toContain(`StreamingJob ${JOB}`);
  });

  act("the job has taken its last savepoint", async () => {
    const [said = "", failed] = await Promise.all(
      ["Savepoint", "SavepointFailed"].map((reason) =>
        here(
          "get",
          "events",
          "--field-selector",
          `involvedObject.name=${JOB},reason=${reason}`,
          "-o",
          "jsonpath={.items[*].message}",
        ),
      ),
    );
    expect(said).toMatch(/savepoints\/delete-\S+ is complete/);
    expect(failed).toBe("");
  });

  act("nothing is left but what the chart keeps so that no data is lost", async () => {
    const kinds =
      "streamingjobs,controlpolicies,pods,configmaps,deployments,services,roles,rolebindings,networkpolicies,poddisruptionbudgets";
    const left = await here("get", kinds, "-o", "name");
    expect(left.split("\n").filter((name) => name !== "" && name !== "configmap/kube-root-ca.crt")).toEqual([]);
    const kept = await here("get", "persistentvolumeclaims,serviceaccounts,secrets", "-o", "name");
    const definitions = await node.kubectl(["get", "customresourcedefinitions", "-o", "name"]);
    expect(definitions.split("\n").filter((name) => name.endsWith(".weir.dev"))).toHaveLength(3);
    expect(kept.trim().split("\n").toSorted()).toEqual([
      "persistentvolumeclaim/weir-state",
      "secret/weir-worker-key",
      "serviceaccount/default",
      "serviceaccount/weir-worker",
    ]);
  });
});
