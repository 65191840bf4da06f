/** Every rendering of the chart before a real API server: unknown and mistyped fields are refused, weak pods warned of. */
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { loadAll } from "js-yaml";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { End, NetworkPolicy } from "../builders/network-policy.ts";
import { mayConnect } from "../builders/network-policy.ts";
import { startReader } from "../servers/docs-page.ts";
import type { Helm } from "../servers/helm.ts";
import { chart, startHelm } from "../servers/helm.ts";
import type { ControlPlane } from "../servers/kubernetes.ts";
import { applyCrds, startControlPlane } from "../servers/kubernetes.ts";

const cases = readdirSync(join(chart, "ci")).toSorted();
const namespaces = ["weir-system", "team-a", "team-b"].map((name) => ({
  apiVersion: "v1",
  kind: "Namespace",
  metadata: {
    name,
    labels: { "pod-security.kubernetes.io/enforce": "restricted", "pod-security.kubernetes.io/warn": "restricted" },
  },
}));

describe("the chart's renderings on a real API server", () => {
  let plane: ControlPlane;
  let helm: Helm;
  const apply = (stdin: string, ...more: string[]) =>
    plane.kubectl(["apply", "--server-side", "--validate=strict", ...more, "-f", "-"], stdin);

  beforeAll(async () => {
    plane = await startControlPlane();
    helm = await startHelm("helm", plane.kubeconfigPath);
    // The kinds of the Prometheus operator.
    await applyCrds(plane, join(import.meta.dirname, "../fixtures/monitoring-crds"));
    const { code, stderr } = await apply(JSON.stringify({ apiVersion: "v1", kind: "List", items: namespaces }));
    expect(code, stderr).toBe(0);
  });
  afterAll(async () => {
    helm?.stop();
    await plane?.stop();
  });

  it.each(cases)("are valid to the last field with %s", async (file) => {
    const values = ["--values", join(chart, "ci", file)];
    const rendered = await helm.ok(["template", "weir", chart, "--namespace", "weir-system", ...values]);
    const { code, stdout, stderr } = await apply(rendered, "--dry-run=server");
    expect(code, stderr).toBe(0);
    expect(stderr).not.toContain("Warning");
    expect(stdout.trim().split("\n")).toHaveLength(rendered.match(/^kind: /gm)?.length ?? 0);
    expect(stdout).toContain("deployment.apps/");
  });

  it.each([
    ["a field that does not exist", "tolerations[0].effekt=NoSchedule", /Deployment.*effekt: field not declared/],
    [
      "a pod that is not restricted",
      "securityContext.allowPrivilegeEscalation=true",
      /violates PodSecurity "restricted/,
    ],
  ])("would be refused with %s", async (_, value, reason) => {
    const values = ["--set", "workerKey.existingSecret=key", "--set", value];
    const rendered = await helm.ok(["template", "weir", chart, "--namespace", "weir-system", ...values]);
    const { code, stderr } = await apply(rendered, "--dry-run=server");
    expect(code).not.toBe(0);
    expect(stderr).toMatch(reason);
  });

  it("and a job's own policy close the workers to all but what the page of the network opens", async () => {
    const reader = await startReader(plane.kubeconfigPath);
    try {
      await reader.follow("install/network.md");
      const files = ["rendered.yaml", "realtime-etl-network.yaml"].map((name) =>
        readFileSync(join(reader.folder, name)),
      );
      const policies = files.flatMap((text) => loadAll(String(text)) as NetworkPolicy[]);
      const enforced = policies.filter((object) => object?.kind === "NetworkPolicy");
      const worker = (job: string): End => ({
        namespace: "weir-system",
        labels: { "weir.dev/component": "worker", "app.kubernetes.io/managed-by": "weir", "weir.dev/job": job },
      });
      const reaches = (job: string, to: End, port: number) => mayConnect(enforced, worker(job), to, port);
      const broker: End = { namespace: "kafka", labels: {} };
      expect(reaches("realtime-etl", broker, 9092)).toBe(true);
      expect(reaches("realtime-etl", { address: "198.51.100.7" }, 443)).toBe(true);
      expect(reaches("realtime-etl", broker, 22)).toBe(false);
      expect(reaches("realtime-etl", { address: "203.0.113.1" }, 443)).toBe(false);
      expect(reaches("realtime-etl", { address: "169.254.169.254" }, 80)).toBe(false);
      expect(reaches("another", broker, 9092)).toBe(false);
      const dns: End = { namespace: "kube-system", labels: { "k8s-app": "kube-dns" } };
      expect(reaches("another", dns, 53)).toBe(true);
    } finally {
      reader.stop();
    }
  });

  it("make a key where the API server can keep it, also without being installed", async () => {
    const dryRun = ["install", "weir", chart, "--namespace", "weir-system", "--dry-run=server"];
    expect(await helm.ok(dryRun)).toContain("name: weir-worker-key");
  });
});
