/** The operator with its ServiceAccount and no more rights than its Role, on a real API server that enforces them. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { JobObject } from "../../src/controllers/weir-resources.ts";
import { streamingJobs } from "../../src/controllers/weir-resources.ts";
import { callRecorder } from "../../src/kube/call.ts";
import type { Interceptor } from "../../src/kube/call.ts";
import { isForbidden } from "../../src/kube/kube-error.ts";
import { pods } from "../../src/kube/resource.ts";
import { datagenJob } from "../builders/datagen-job.ts";
import { watchedRules } from "../builders/operator-role.ts";
import type { ControlPlane } from "../servers/kubernetes.ts";
import { applyCrds, startControlPlane } from "../servers/kubernetes.ts";
import type { OperatorAccount } from "../servers/operator-account.ts";
import { OWN_NAMESPACE, operatorAccount } from "../servers/operator-account.ts";
import type { WeirCluster } from "../servers/weir-cluster.ts";
import { startWeir } from "../servers/weir-cluster.ts";

const PATIENCE = { timeout: 90_000, interval: 200 };
const recorder = callRecorder();
const forbidden: string[] = [];
const logged: string[] = [];
/** What the API server refused, as `list pods in team-c`. */
const refusals: Interceptor = async (request, next) => {
  try {
    return await next(request);
  } catch (e) {
    const { verb, resource, namespace } = request.call;
    if (isForbidden(e)) forbidden.push(`${verb} ${resource} in ${namespace ?? "the cluster"}`);
    throw e;
  }
};

let plane: ControlPlane;
let account: OperatorAccount;
let weir: WeirCluster;

beforeAll(async () => {
  plane = await startControlPlane();
  await applyCrds(plane);
  account = await operatorAccount(plane);
  await account.openNamespaces("team-a", "team-b", "team-c", "team-d", "elsewhere");
  await account.grant("team-a");
  await account.grant("team-b");
  // Its jobs may be listed and its pods not: they must not look as if nothing ran.
  await account.grant(
    "team-d",
    watchedRules.filter((rule) => !rule.resources.includes("pods")),
  );
  weir = await startWeir(plane.server, {
    server: account.server,
    namespaces: ["team-a", "team-b", "team-c", "team-d"],
    lease: { namespace: OWN_NAMESPACE, name: "weir-operator" },
    probes: { host: "127.0.0.1", port: 0 },
    interceptors: [recorder.intercept, refusals],
    log: (level, message) => void logged.push(`${level} ${message}`),
  });
});
afterAll(async () => {
  await weir?.stop();
  await plane?.stop();
});

const create = async (name: string, namespace: string): Promise<void> => {
  const job = datagenJob(name);
  await weir.client.create(streamingJobs, { ...job, metadata: { name, namespace } });
};
const stateOf = async (name: string, namespace: string): Promise<string | undefined> =>
  (await weir.job(name, namespace)).status?.state;
const runs = (name: string, namespace: string): Promise<void> =>
  expect.poll(() => stateOf(name, namespace), PATIENCE).toBe("RUNNING") as Promise<void>;
const askOperator = async (path: string, { probePort } = weir.operator): Promise<{ status: number; text: string }> => {
  const answer = await fetch(`http://127.0.0.1:${probePort}${path}`);
  return { status: answer.status, text: await answer.text() };
};
const watchedOf = async (namespace: string): Promise<string | undefined> => {
  const { text } = await askOperator("/metrics");
  const line = text.split("\n").find((l) => l.startsWith(`weir_namespace_watched{`) && l.includes(`"${namespace}"`));
  return line?.split(" ").at(-1);
};

describe("an operator with rights in some of its namespaces", () => {
  it("leads, is ready, and says once which namespaces it may not watch, and why", async () => {
    await weir.operator.leading;
    const ready = await askOperator("/readyz");
    expect(ready.status).toBe(200);
    expect(ready.text).toMatch(
      /^ok; not watched: namespace team-c \(list .* forbidden.*namespace team-d \(list pods.*forbidden/s,
    );
    expect(await Promise.all(["team-a", "team-b", "team-c", "team-d"].map(watchedOf))).toEqual(["1", "1", "0", "0"]);
    expect(logged.filter((line) => line.startsWith("warn namespace team-c is not watched"))).toHaveLength(1);
  });

  it("runs the jobs of the others, and touches no job where a right is missing", async () => {
    await Promise.all(["team-a", "team-b", "team-c", "team-d", "elsewhere"].map((n) => create("etl", n)));
    await Promise.all([runs("etl", "team-a"), runs("etl", "team-b")]);
    const untouched = await Promise.all(["team-c", "team-d", "elsewhere"].map((n) => weir.job("etl", n)));
    expect(untouched.map((job: JobObject) => job.status)).toEqual(Array(3).fill({ observedGeneration: -1 }));
    const { items } = await weir.client.list(pods);
    expect([...new Set(items.map((p) => p.metadata.namespace ?? ""))].toSorted()).toEqual(["team-a", "team-b"]);
  });

  it("looks after a namespace as soon as its Role is there, without a restart", async () => {
    await account.grant("team-c");
    await account.grant("team-d");
    await Promise.all([runs("etl", "team-c"), runs("etl", "team-d")]);
    expect(await askOperator("/readyz")).toEqual({ status: 200, text: "ok" });
    expect(await watchedOf("team-c")).toBe("1");
    expect(logged).toContain("info namespace team-c is watched now");
  });

  it("never asks beyond its namespaces, and is refused only where the Role was missing", async () => {
    expect(recorder.calls.filter((call) => call.namespace === undefined)).toEqual([]);
    const places = new Set(recorder.calls.map((call) => call.namespace ?? ""));
    expect([...places].toSorted()).toEqual(["team-a", "team-b", "team-c", "team-d"]);
    expect([...new Set(forbidden)].filter((call) => !/in team-[cd]$/.test(call))).toEqual([]);
    expect(forbidden.filter((call) => call.endsWith("in team-d")).every((call) => /(list|watch) pods/.test(call))).toBe(
      true,
    );
  });
});

describe("an operator that is to watch the whole cluster", () => {
  it("is not ready without the ClusterRole, and with it sees every namespace", async () => {
    await weir.operator.stop();
    const operator = await weir.startOperator({ namespaces: undefined });
    await expect
      .poll(() => askOperator("/readyz", operator), PATIENCE)
      .toMatchObject({
        status: 503,
        text: expect.stringMatching(/no namespace can be watched: all namespaces \(list .*forbidden/s) as string,
      });
    await account.grantEverywhere();
    await runs("etl", "elsewhere");
    expect((await askOperator("/readyz", operator)).status).toBe(200);
  });
});
