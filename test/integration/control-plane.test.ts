import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createKubeClient } from "../../src/kube/client.ts";
import { createInformer } from "../../src/kube/informer.ts";
import { serverFromKubeconfig } from "../../src/kube/kubeconfig.ts";
import type { KubeObject } from "../../src/kube/resource.ts";
import { configMaps, namespaces } from "../../src/kube/resource.ts";
import type { Timers } from "../../src/kube/timers.ts";
import { systemTimers } from "../../src/kube/timers.ts";
import { createTransport } from "../../src/kube/transport.ts";
import type { ControlPlane } from "../servers/kubernetes.ts";
import { applyCrds, startControlPlane } from "../servers/kubernetes.ts";

describe("the control plane of the tests", () => {
  let cluster: ControlPlane;
  beforeAll(async () => {
    cluster = await startControlPlane({ controllers: true });
  });
  afterAll(() => cluster.stop());

  it("lets a kubeconfig with a client certificate in", async () => {
    const client = createKubeClient(createTransport({ server: await serverFromKubeconfig(cluster.kubeconfigPath) }));
    const { items } = await client.list(namespaces);
    expect(items.map((item) => item.metadata.name)).toContain("default");
    await client.close();
  });

  it("serves the product's kinds", async () => {
    await applyCrds(cluster);
    const listed = await cluster.kubectl(["get", "streamingjobs,controlpolicies,maintenancewindows", "-A"]);
    expect([listed.code, listed.stderr.trim()]).toEqual([0, "No resources found"]);
  });

  it("collects what an object owned when it is gone", async () => {
    const client = createKubeClient(createTransport({ server: cluster.server }));
    const configMap = (name: string, owner?: KubeObject): KubeObject => ({
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: {
        name,
        namespace: "default",
        ...(owner === undefined
          ? {}
          : {
              ownerReferences: [
                { apiVersion: "v1", kind: "ConfigMap", name: owner.metadata.name, uid: owner.metadata.uid ?? "" },
              ],
            }),
      },
    });
    const owner = await client.create(configMaps, configMap("owner"));
    await client.create(configMaps, configMap("owned", owner));
    await client.delete(configMaps, { namespace: "default", name: "owner" }, { uid: owner.metadata.uid });
    await expect
      .poll(() => client.find(configMaps, { namespace: "default", name: "owned" }), { timeout: 90_000 })
      .toBeUndefined();
    await client.close();
  });

  it("comes back from an outage, and caches catch up by themselves", async () => {
    const fast: Timers = { ...systemTimers, after: (ms, run) => systemTimers.after(ms / 20, run) };
    const client = createKubeClient(createTransport({ server: cluster.server }));
    const informer = createInformer<KubeObject>({ client, resource: configMaps, timers: fast });
    const abort = new AbortController();
    const running = informer.run(abort.signal);
    await informer.waitForSync();
    await cluster.stopApiServer();
    await expect(client.list(configMaps)).rejects.toMatchObject({ code: "API_UNAVAILABLE", httpStatus: 0 });
    await cluster.startApiServer();
    const written = await client.create<KubeObject>(configMaps, {
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: { name: "after-the-outage", namespace: "default" },
    });
    await informer.waitForWrite(written, { timeoutMs: 60_000 * 20 });
    abort.abort();
    await running;
    await client.close();
  });
});

describe("a control plane whose test is killed", () => {
  it("is gone a moment later, its folder too", async () => {
    const program = `
      import { startControlPlane } from ${JSON.stringify(new URL("../servers/kubernetes.ts", import.meta.url).href)};
      const cluster = await startControlPlane();
      console.log(JSON.stringify({ url: cluster.url, file: cluster.kubeconfigPath }));
      setInterval(() => {}, 1000);`;
    const child = spawn(process.execPath, ["--input-type=module", "-e", program], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const [line] = (await once(child.stdout, "data")) as [Buffer];
    const { url, file } = JSON.parse(line.toString()) as { url: string; file: string };
    expect(existsSync(file)).toBe(true);
    child.kill("SIGKILL");
    const answers = (): Promise<boolean> =>
      fetch(url).then(
        () => true,
        (e: Error) => (e.cause as { code?: string }).code !== "ECONNREFUSED",
      );
    await expect.poll(answers, { timeout: 60_000 }).toBe(false);
    await expect.poll(() => existsSync(file), { timeout: 60_000 }).toBe(false);
  });
});
