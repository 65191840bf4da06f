/**
 * Granted is used, both ways: the operator with its ServiceAccount and exactly its Role on a real API server, told by its own
 * record and by the server's audit log.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { streamingJobs } from "../../src/controllers/weir-resources.ts";
import { callRecorder } from "../../src/kube/call.ts";
import { datagenJob } from "../builders/datagen-job.ts";
import {
  auditedCalls,
  granted,
  leaderRules,
  permissionsGranted,
  permissionsUsed,
  watchedRules,
} from "../builders/operator-role.ts";
import type { OperatorStory } from "../builders/operator-story.ts";
import { operatorStory } from "../builders/operator-story.ts";
import type { ControlPlane } from "../servers/kubernetes.ts";
import { applyCrds, startControlPlane } from "../servers/kubernetes.ts";
import type { OperatorAccount } from "../servers/operator-account.ts";
import { OPERATOR_USER, OWN_NAMESPACE, operatorAccount } from "../servers/operator-account.ts";
import type { WeirCluster } from "../servers/weir-cluster.ts";
import { startWeir } from "../servers/weir-cluster.ts";

const POLICY = {
  apiVersion: "audit.k8s.io/v1",
  kind: "Policy",
  omitStages: ["RequestReceived"],
  rules: [{ level: "Metadata", users: [OPERATOR_USER] }],
};
const folder = mkdtempSync(join(tmpdir(), "weir-audit-"));
const auditLog = join(folder, "audit.jsonl");
const recorder = callRecorder();
let plane: ControlPlane;
let account: OperatorAccount;
let weir: WeirCluster;
let story: OperatorStory;

beforeAll(async () => {
  const policy = join(folder, "policy.json");
  writeFileSync(policy, JSON.stringify(POLICY));
  plane = await startControlPlane({
    apiServerFlags: [
      `--audit-policy-file=${policy}`,
      `--audit-log-path=${auditLog}`,
      // Who sets an owner that blocks deletion must be allowed to update the owner's finalizers: some clusters ask for it.
      "--enable-admission-plugins=OwnerReferencesPermissionEnforcement",
    ],
  });
  await applyCrds(plane);
  account = await operatorAccount(plane);
  await account.grant("default");
  weir = await startWeir(plane.server, {
    server: account.server,
    namespaces: ["default"],
    lease: { namespace: OWN_NAMESPACE, name: "weir-operator" },
    interceptors: [recorder.intercept],
  });
  story = operatorStory(weir);
});
afterAll(async () => {
  await weir?.stop();
  await plane?.stop();
  rmSync(folder, { recursive: true, force: true });
});

describe("the operator with exactly its Role", () => {
  it("runs, scales, saves, pauses, stops, starts and restarts a job", () => story.verbs("verbs"));
  it("follows a policy and a maintenance window", () => story.policyAndWindow());
  it("recovers workers", () => story.failures("fails"));
  it("explains what is in the way", () => story.obstacles());
  it("leaves an orphan alone", () => story.orphan("orphan"));

  it("hands the lead over to another process, which deletes the rest", async () => {
    const successor = await weir.startOperator();
    await weir.operator.stop();
    await successor.leading;
    await story.remove("verbs", "fails");
  });
});

describe("the operator's Role", () => {
  const audited = () => auditedCalls(readFileSync(auditLog, "utf8"), OPERATOR_USER);
  /** Asked for by an admission plugin with the create of a pod; no call of its own. */
  const BY_ADMISSION = ["update weir.dev/streamingjobs/finalizers"];

  it("grants what is called, and nothing else", () => {
    const used = permissionsUsed(audited(), { namespace: "default" });
    console.log(`${audited().length} calls of the operator in the audit log, ${used.length} kinds of them`);
    expect(used.filter((call) => !granted.includes(call))).toEqual([]);
    expect(granted.filter((call) => !used.includes(call))).toEqual(BY_ADMISSION);
    expect(permissionsUsed(audited(), { namespace: OWN_NAMESPACE })).toEqual(permissionsGranted(leaderRules));
  });

  it("is for its namespaces alone: no call of the cluster, none in another namespace, none for a Secret", () => {
    const places = new Set(audited().map((call) => call.namespace ?? "the cluster"));
    expect([...places].toSorted()).toEqual(["default", OWN_NAMESPACE]);
    expect(audited().filter((call) => call.resource === "secrets")).toEqual([]);
    expect(JSON.stringify([watchedRules, leaderRules])).not.toMatch(/\*|secrets|exec|impersonate|escalate|bind/);
  });

  it("is for one Lease: no other may be read or written", async () => {
    const may = async (verb: string, name: string): Promise<string> => {
      const ask = ["auth", "can-i", verb, `leases.coordination.k8s.io/${name}`, "-n", OWN_NAMESPACE];
      return (await plane.kubectl([...ask, `--as=${OPERATOR_USER}`])).stdout.trim();
    };
    expect([await may("get", "weir-operator"), await may("update", "weir-operator")]).toEqual(["yes", "yes"]);
    expect([await may("get", "another"), await may("update", "another")]).toEqual(["no", "no"]);
  });

  it("is seen whole by the operator's own record, which other tests use", () => {
    const recorded = permissionsUsed(recorder.calls, { namespace: "default" });
    expect(recorded).toEqual(permissionsUsed(audited(), { namespace: "default" }));
  });

  it("needs the right that only admission asks for", async () => {
    await account.openNamespaces("lesser");
    await account.grant(
      "lesser",
      watchedRules.filter((rule) => !rule.resources.includes("streamingjobs/finalizers")),
    );
    const operator = await weir.startOperator({ namespaces: ["lesser"], lease: undefined });
    await operator.leading;
    const job = datagenJob("refused");
    await weir.client.create(streamingJobs, { ...job, metadata: { ...job.metadata, namespace: "lesser" } });
    await expect
      .poll(async () => JSON.stringify((await weir.job("refused", "lesser")).status?.conditions), { timeout: 60_000 })
      .toMatch(/cannot set blockOwnerDeletion/);
  });
});
