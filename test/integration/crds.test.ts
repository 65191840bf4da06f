import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { crdObjects } from "../servers/crd-objects.ts";
import type { ControlPlane } from "../servers/kubernetes.ts";
import { applyCrds, startControlPlane } from "../servers/kubernetes.ts";

const samples = join(import.meta.dirname, "../../config/samples");

describe("the CRDs on a real kube-apiserver", () => {
  let cluster: ControlPlane;
  const kubectl = async (...args: string[]): Promise<string> => {
    const { code, stdout, stderr } = await cluster.kubectl(args);
    expect(code, `kubectl ${args.join(" ")}: ${stderr}`).toBe(0);
    return stdout;
  };

  beforeAll(async () => {
    cluster = await startControlPlane();
    await applyCrds(cluster);
    await kubectl("apply", "--server-side", "--validate=strict", "-f", join(samples, "quickstart"));
  });

  afterAll(async () => {
    await cluster?.stop();
  });

  it.each(readdirSync(samples))("take the samples of %s with strict validation", async (folder) => {
    const apply = ["apply", "--server-side", "--dry-run=server", "--force-conflicts", "--validate=strict"];
    const isKustomized = existsSync(join(samples, folder, "Kustomization"));
    const given = [isKustomized ? "-k" : "-f", join(samples, folder)];
    expect(await kubectl(...apply, ...given)).toContain("streamingjob.weir.dev/");
  });

  it.each(crdObjects())(
    "are stored as they were sent, so that nobody sees a difference to Git: $metadata.name",
    async (crd) => {
      const stored = JSON.parse(await kubectl("get", "crd", crd.metadata.name, "-o", "json")) as object;
      expect(stored).toMatchObject(crd);
    },
  );

  it("give a new object a status that kstatus does not take for ready", async () => {
    const status = await kubectl("get", "sj", "realtime-etl", "-o", "jsonpath={.status}");
    expect(JSON.parse(status)).toEqual({ observedGeneration: -1 });
  });

  it("leave the user's spec as it was written", async () => {
    const { stdout } = await cluster.kubectl(["diff", "--server-side", "-f", join(samples, "quickstart")]);
    expect(stdout).toBe("");
  });

  it("let kubectl scale a job, and refuse more workers than shards", async () => {
    await kubectl("scale", "sj/realtime-etl", "--replicas=4");
    expect(await kubectl("get", "sj", "realtime-etl", "-o", "jsonpath={.spec.parallelism}")).toBe("4");
    const { code, stderr } = await cluster.kubectl(["scale", "sj/realtime-etl", "--replicas=9"]);
    expect(code).not.toBe(0);
    expect(stderr).toContain("parallelism must not be above maxParallelism");
  });

  it("show what matters in columns, and select by state", async () => {
    const patch = ["patch", "sj", "realtime-etl", "--subresource=status", "--type=merge", "-p"];
    await kubectl(
      ...patch,
      JSON.stringify({
        status: {
          observedGeneration: 2,
          state: "RUNNING",
          engine: "Reactive",
          parallelism: { desired: 4, effective: 3, ready: 3 },
          lag: { records: 1234 },
          restarts: { count: 2 },
          conditions: [
            {
              type: "Ready",
              status: "True",
              reason: "Running",
              message: "3 workers run",
              lastTransitionTime: "2026-01-01T00:00:00Z",
            },
          ],
        },
      }),
    );
    const [head = "", row = ""] = (await kubectl("get", "sj", "-o", "wide")).split("\n");
    const columns = "NAME STATE READY ENGINE PARALLELISM LAG CHECKPOINT AGE RESTARTS REASON MESSAGE";
    expect(head.trim().split(/ +/).join(" ")).toBe(columns);
    expect(row).toMatch(/^realtime-etl\s+RUNNING\s+True\s+Reactive\s+3\s+1234\s.*2\s+Running\s+3 workers run/);
    const names = ["get", "sj", "-o", "name", "--field-selector"];
    expect(await kubectl(...names, "status.state=RUNNING")).toContain("realtime-etl");
    expect(await kubectl(...names, "status.state=FAILED")).toBe("");
  });

  it("list all kinds by their category and explain a field", async () => {
    const all = await kubectl("get", "weir", "-o", "name");
    expect(all.trim().split("\n").toSorted()).toEqual([
      "controlpolicy.weir.dev/keep-up",
      "maintenancewindow.weir.dev/weekly",
      "streamingjob.weir.dev/realtime-etl",
    ]);
    expect(await kubectl("explain", "sj.spec.desiredState")).toContain("Running (default), Paused");
  });
});
