import { cpSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { JobObject } from "../../src/controllers/weir-resources.ts";
import type { Application } from "../servers/argocd.ts";
import {
  APPLICATION,
  type ArgoStage,
  JOB,
  NAMESPACE,
  example,
  exampleFile,
  ownValues,
  startArgoStage,
} from "../servers/argocd-stage.ts";
import { commandsOf } from "../servers/docs-page.ts";
import { eventually } from "../servers/node-actions.ts";
import { nodeCluster } from "../servers/node-cluster.ts";
import { forgetWeir } from "../servers/node-forget.ts";

const JOB_FILE = `jobs/${JOB}.yaml`;
const OPERATORS = "app.kubernetes.io/component=operator";
const WORKERS = `weir.dev/job=${JOB}`;
/** Of docs/install/argocd.md. */
const [settings = "", key = "", application = "", wait = "", remove = ""] = commandsOf("install/argocd.md");

const node = nodeCluster();
let stage: ArgoStage;
beforeAll(async () => {
  stage = await startArgoStage(node);
});
afterAll(async () => {
  await stage?.stop();
  await forgetWeir(node, NAMESPACE);
});

const parallelismOf = ({ spec }: JobObject): unknown => (spec as { parallelism?: unknown }).parallelism;
const isReady = ({ status }: JobObject): boolean =>
  status?.conditions?.some((c) => c.type === "Ready" && c.status === "True") === true;
const runsOn =
  (workers: number) =>
  (object: JobObject): boolean =>
    object.status?.parallelism?.ready === workers && isReady(object);

/** Synced to what is in Git, with this health. */
const is =
  (health: string, revision?: string) =>
  ({ status }: Application): boolean =>
    status?.sync?.status === "Synced" &&
    status.health?.status === health &&
    (revision === undefined || status.sync.revisions?.includes(revision) === true);
const healthOf = (object: Application, name: string) =>
  object.status?.resources?.find((r) => r.kind === "StreamingJob" && r.name === name)?.health;

const timeOf = async (path: string, ...object: readonly string[]): Promise<number> =>
  Date.parse(await stage.here("get", ...object, "-o", `jsonpath={${path}}`));

/** Each act goes on where the one before ended: after a failure the rest would only wait for what never comes. */
let isBroken = false;
const act = (sentence: string, doing: () => Promise<void>): void =>
  it(sentence, async (context) => {
    if (isBroken) context.skip("an act before failed");
    isBroken = true;
    await doing();
    isBroken = false;
  });

describe("an Application with the operator and a job, on a real node", () => {
  act("goes Synced and Healthy: two operators and a worker run", async () => {
    cpSync(join(example, "../../../charts/weir"), join(stage.argo.repoFolder, "charts/weir"), { recursive: true });
    await stage.argo.commit({ [JOB_FILE]: exampleFile(JOB_FILE) });
    await stage.reader.run(settings);
    await stage.reader.run(key);
    await node.kubectl(["label", "namespace", NAMESPACE, "pod-security.kubernetes.io/enforce=restricted"]);
    await stage.reader.run(ownValues(node));
    await stage.timed("operator and job Synced and Healthy", async () => {
      await stage.reader.run(application.replace(/^repository=.*$/m, `repository=${stage.argo.repoUrl}`));
      await stage.argo.until(APPLICATION, "Synced and Healthy", is("Healthy"));
      await stage.reader.run(wait);
    });
    expect(isReady(await stage.job())).toBe(true);
    await stage.untilReadyPods(OPERATORS, 2);
    await stage.untilReadyPods(WORKERS, 1);
  });

  act("is led by one of its pods, as the Lease says by name", async () => {
    const holder = await stage.here("get", "lease", "weir-operator", "-o", "jsonpath={.spec.holderIdentity}");
    const names = (await stage.podsOf(OPERATORS)).map(({ metadata }) => metadata.name);
    expect(names).toContain(holder.split("_")[0]);
  });

  act(
    "came in the order of its waves: the kinds, the operator, then the job, once the operator was there",
    async () => {
      const [kind, deployment, applied] = await Promise.all([
        timeOf(".metadata.creationTimestamp", "crd", "streamingjobs.weir.dev"),
        timeOf(".metadata.creationTimestamp", "deployment", "weir-operator"),
        timeOf(".metadata.creationTimestamp", "streamingjob", JOB),
      ]);
      const available = stage.available.get("weir-operator");
      expect(available).toBeDefined();
      expect([kind, deployment, available, applied].toSorted((a = 0, b = 0) => a - b)).toEqual([
        kind,
        deployment,
        available,
        applied,
      ]);
    },
  );

  act("scales the job by a change in Git", async () => {
    await stage.timed("scaled by Git", async () => {
      const revision = await stage.commit({
        [JOB_FILE]: exampleFile(JOB_FILE).replace("parallelism: 1", "parallelism: 2"),
      });
      await stage.untilJob("scaled to 2", runsOn(2));
      await stage.argo.until(APPLICATION, "Synced and Healthy", is("Healthy", revision));
    });
    await stage.untilReadyPods(WORKERS, 2);
  });

  act("takes a kubectl scale back, because Git says otherwise", async () => {
    await stage.here("scale", `streamingjob/${JOB}`, "--replicas=1");
    await stage.untilJob("scaled by hand", (j) => (j.metadata.generation ?? 0) > 2);
    await stage.timed("kubectl scale healed", async () => {
      await stage.untilJob("healed", (j) => parallelismOf(j) === 2);
    });
    await stage.untilJob("back at 2", runsOn(2));
  });

  act(
    "does not fight a policy: the job runs on more workers, its spec stays, and the Application stays Synced",
    async () => {
      const policy = exampleFile("jobs/keep-up.yaml").replace("> 10000", ">= 0").replace('"4"', '"3"');
      const revision = await stage.commit({ "jobs/keep-up.yaml": policy });
      const scaled = await stage.timed("scaled by a policy", () => stage.untilJob("scaled by its policy", runsOn(3)));
      expect(scaled.status?.overrides).toEqual([
        expect.objectContaining({
          field: "parallelism",
          value: "3",
          by: "policy/keep-up/scale-on-lag",
          specValue: "2",
        }),
      ]);
      await stage.argo.until(APPLICATION, "Synced and Healthy", is("Healthy", revision));
      for (let rounds = 0; rounds < 2; rounds += 1) {
        const before = (await stage.argo.until(APPLICATION, "there", () => true)).status?.reconciledAt;
        await stage.argo.refresh(APPLICATION);
        const seen = await stage.argo.until(
          APPLICATION,
          "compared again",
          ({ status }) => status?.reconciledAt !== before,
        );
        expect(seen.status?.sync?.status).toBe("Synced");
      }
      const after = await stage.job();
      expect(after.status?.parallelism).toMatchObject({ effective: 3 });
      expect(after.spec).toEqual(scaled.spec);
      expect(after.metadata.generation).toBe(scaled.metadata.generation);
      await stage.untilReadyPods(WORKERS, 3);
    },
  );

  act("restarts the job by an action, which is no difference to Git", async () => {
    const { status } = await stage.job();
    const before = (await stage.podsOf(WORKERS)).map(({ metadata }) => metadata.uid);
    await stage.timed("restarted by an action", async () => {
      await stage.click("restart");
      await stage.untilJob("restarted", (j) => (j.status?.epoch ?? 0) > (status?.epoch ?? 0) && isReady(j));
    });
    expect((await stage.job()).status?.requests?.[0]).toMatchObject({ verb: "restart", outcome: "Accepted" });
    const ready = await stage.untilReadyPods(WORKERS, 3);
    expect(ready.filter(({ metadata }) => before.includes(metadata.uid))).toEqual([]);
    await stage.argo.until(APPLICATION, "Synced and Healthy", is("Healthy"));
  });

  act(
    "keeps its workers while their key is changed, is no difference to Git, and moves them when asked to",
    async () => {
      const [addKey = "", moveWorkers = "", dropKey = ""] = commandsOf("install/worker-key.md");
      const uids = async (): Promise<unknown[]> => (await stage.podsOf(WORKERS)).map(({ metadata }) => metadata.uid);
      await stage.untilReadyPods(WORKERS, 3);
      const before = await uids();
      const { epoch = 0, savepoint } = (await stage.job()).status ?? {};
      await stage.timed("the workers' key changed", async () => {
        await stage.reader.run(addKey);
        expect(await uids()).toEqual(before);
        await stage.argo.until(APPLICATION, "Synced and Healthy", is("Healthy"));
        await stage.reader.run(moveWorkers);
        const moved = await stage.untilJob("moved", (j) => (j.status?.epoch ?? 0) > epoch && isReady(j));
        // Only workers that the operator commands take a savepoint.
        expect(moved.status?.savepoint?.uri).not.toBe(savepoint?.uri);
        await stage.reader.run(dropKey);
      });
      await stage.untilJob("still commanded", isReady);
    },
  );

  act("shows a job that is stopped by an action as Suspended, and Healthy once it is started again", async () => {
    await stage.timed("stopped by an action, Suspended", async () => {
      await stage.click("stop");
      const seen = await stage.argo.until(APPLICATION, "Synced and Suspended", is("Suspended"));
      expect(healthOf(seen, JOB)?.message).toMatch(/^Stopped: stopped, asked for by verb\/stop=/);
    });
    await stage.untilReadyPods(WORKERS, 0);
    await stage.timed("started by an action, Healthy", async () => {
      await stage.click("start");
      await stage.argo.until(APPLICATION, "Synced and Healthy", is("Healthy"));
    });
  });

  act("shows a job that failed as Degraded, with its message, and recovers when Git drops it", async () => {
    const broken = exampleFile(JOB_FILE)
      .replace(JOB, "broken")
      .replace("spec:", 'spec:\n  startFrom: {savepoint: "file:///var/lib/weir/state/nowhere"}');
    await stage.timed("a failed job Degraded", async () => {
      await stage.commit({ "jobs/broken.yaml": broken });
      const isDegraded = (seen: Application): boolean =>
        seen.status?.health?.status === "Degraded" && healthOf(seen, "broken")?.status === "Degraded";
      const seen = await stage.argo.until(APPLICATION, "Degraded by its job", isDegraded);
      expect(healthOf(seen, "broken")).toMatchObject({
        message: expect.stringContaining("file:///var/lib/weir/state/nowhere") as string,
      });
    });
    const revision = await stage.commit({ "jobs/broken.yaml": null });
    await stage.argo.until(APPLICATION, "Synced and Healthy", is("Healthy", revision));
  });
});

describe("when the Application is deleted", () => {
  act("jobs and workers go before the operator, which is there to end them", async () => {
    const endings = await stage.watchEndings();
    await stage.timed("deleted", () => stage.reader.run(remove));
    await stage.here("wait", "pods", "--all", "--for=delete", "--timeout=120s");
    const order = await eventually("the ends of the job and of two operators", () => {
      const operators = endings.filter((name) => name.startsWith("Pod weir-operator-"));
      return operators.length >= 2 && endings.includes(`StreamingJob ${JOB}`) ? endings : undefined;
    });
    const firstOperator = order.findIndex((name) => name.startsWith("Pod weir-operator-"));
    const lastOfJob = order.findLastIndex((name) => name.includes(JOB));
    expect(order[lastOfJob]).toBeDefined();
    expect(lastOfJob).toBeLessThan(firstOperator);
  });

  act("the job has taken its last savepoint", async () => {
    const [said = "", failed] = await Promise.all(
      ["Savepoint", "SavepointFailed"].map((reason) =>
        stage.here(
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
    const left = async (): Promise<string[]> =>
      (await stage.here("get", kinds, "-o", "name"))
        .split("\n")
        .filter((name) => name !== "" && name !== "configmap/kube-root-ca.crt");
    // Kubernetes collects what the job owned a moment after it.
    await eventually("nothing is left", async () => ((await left()).length === 0 ? true : undefined), { seen: left });
    const kept = await stage.here("get", "persistentvolumeclaims,serviceaccounts,secrets", "-o", "name");
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
