/** Every rendering of the chart before a real API server: unknown and mistyped fields are refused, weak pods warned of. */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
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

  it("make a key where the API server can keep it, also without being installed", async () => {
    const dryRun = ["install", "weir", chart, "--namespace", "weir-system", "--dry-run=server"];
    expect(await helm.ok(dryRun)).toContain("name: weir-worker-key");
  });
});
