import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { serverFromKubeconfig, serverInCluster } from "./kubeconfig.ts";
import { manualTimers } from "./manual-timers.ts";

describe("the kubeconfig", () => {
  let dir: string;
  beforeAll(() => {
    dir = mkdtempSync(join(tmpdir(), "weir-kubeconfig-"));
  });
  afterAll(() => rmSync(dir, { recursive: true }));

  const write = (user: object, cluster: object = {}): string => {
    const path = join(dir, "config");
    writeFileSync(
      path,
      JSON.stringify({
        "current-context": "main",
        contexts: [
          { name: "main", context: { cluster: "c", user: "u", namespace: "prod" } },
          { name: "broken", context: { cluster: "nowhere", user: "u" } },
        ],
        clusters: [{ name: "c", cluster: { server: "https://10.0.0.1:6443", ...cluster } }],
        users: [{ name: "u", user }],
      }),
    );
    return path;
  };

  it("takes certificates inline and from files beside it", async () => {
    writeFileSync(join(dir, "client.key"), "KEY");
    const server = await serverFromKubeconfig(
      write(
        { "client-certificate-data": Buffer.from("CERT").toString("base64"), "client-key": "client.key" },
        { "certificate-authority-data": Buffer.from("CA").toString("base64"), "tls-server-name": "kubernetes" },
      ),
    );
    const credentials = await server.credentials();
    expect([server.url, server.namespace]).toEqual(["https://10.0.0.1:6443", "prod"]);
    expect(credentials.tls).toMatchObject({ ca: "CA", cert: "CERT", key: "KEY", servername: "kubernetes" });
    expect((await server.credentials()).tls).toBe(credentials.tls);
  });

  it("reads a rotated token file again after a minute, and lives through its absence", async () => {
    const timers = manualTimers();
    const file = join(dir, "token");
    writeFileSync(file, "one\n");
    const server = await serverFromKubeconfig(write({ tokenFile: "token" }), { timers });
    const header = async (): Promise<unknown> => (await server.credentials()).headers["authorization"];
    expect(await header()).toBe("Bearer one");
    writeFileSync(file, "two\n");
    await timers.advance(59_999);
    expect(await header()).toBe("Bearer one");
    await timers.advance(1);
    expect(await header()).toBe("Bearer two");
    rmSync(file);
    await timers.advance(60_000);
    expect(await header()).toBe("Bearer two");
    writeFileSync(file, "three\n");
    expect(await header()).toBe("Bearer three");
    writeFileSync(file, "four\n");
    timers.setClock(-3_600_000);
    expect(await header()).toBe("Bearer four");
  });

  it("asks an exec plugin for a token", async () => {
    const plugin = join(dir, "plugin.sh");
    const credential = {
      apiVersion: "client.authentication.k8s.io/v1",
      kind: "ExecCredential",
      status: { token: "from-plugin" },
    };
    writeFileSync(plugin, `#!/bin/sh\necho '${JSON.stringify(credential)}'\n`);
    chmodSync(plugin, 0o755);
    const exec = { apiVersion: "client.authentication.k8s.io/v1", command: plugin, interactiveMode: "Never" };
    const server = await serverFromKubeconfig(write({ exec }));
    const first = await server.credentials();
    expect(first.headers["authorization"]).toBe("Bearer from-plugin");
    expect((await server.credentials()).tls).toBe(first.tls);
  });

  it("uses the pod's own account in a cluster", async () => {
    for (const [name, content] of [
      ["token", "t1"],
      ["ca.crt", "CA"],
      ["namespace", "weir-system\n"],
    ] as const) {
      writeFileSync(join(dir, name), content);
    }
    const server = await serverInCluster({ host: "fd00::1", port: "443", folder: dir });
    expect([server.url, server.namespace]).toEqual(["https://[fd00::1]:443", "weir-system"]);
    expect(await server.credentials()).toEqual({ headers: { authorization: "Bearer t1" }, tls: { ca: "CA" } });
  });

  it.each([
    ["a missing file", () => join(dir, "missing"), {}, "cannot read"],
    ["a context that is not there", () => write({}), { context: "other" }, 'no context "other"'],
    ["a context without a cluster", () => write({}), { context: "broken" }, 'no cluster "nowhere"'],
    ["a proxy", () => write({}, { "proxy-url": "http://proxy" }), {}, "not supported"],
  ])("says what is wrong with %s", async (_, path, options, message) => {
    const failure = serverFromKubeconfig(path(), options);
    await expect(failure).rejects.toMatchObject({ code: "CONFIG_INVALID" });
    await expect(failure).rejects.toThrow(message);
  });
});
