import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { podFiles } from "./pod-files.ts";

let root = "";
const places = (podRoot: string | undefined) => ({
  WEIR_POD_ROOT: podRoot,
  WEIR_SECRETS_DIR: "/secrets",
  WEIR_CONFIG_MAPS_DIR: "/configmaps",
  WEIR_TERMINATION_LOG: "/why",
});
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "weir-pod-files-"));
  await mkdir(join(root, "secrets/db"), { recursive: true });
  await writeFile(join(root, "secrets/db/password"), "hunter2");
  await mkdir(join(root, "configmaps/ca"), { recursive: true });
  await writeFile(join(root, "configmaps/ca/ca.crt"), "PEM");
});
afterEach(() => rm(root, { recursive: true, force: true }));

describe("the pod's files", () => {
  it("are below the pod's root where there is one, and where they say otherwise", () => {
    expect(podFiles(places("/pods/a")).resolvePath("/var/lib")).toBe("/pods/a/var/lib");
    expect(podFiles(places(undefined)).resolvePath("/var/lib")).toBe("/var/lib");
  });

  it("give a secret's key, nothing where there is none, and nothing outside the secret's folder", () => {
    const { secret, configMap } = podFiles(places(root));
    expect(configMap("ca", "ca.crt")).toBe("PEM");
    expect(configMap("db", "password")).toBeUndefined();
    expect(secret("db", "password")).toBe("hunter2");
    expect(secret("db", "user")).toBeUndefined();
    expect(secret("..", "secrets")).toBeUndefined();
    expect(secret("db/../db", "password")).toBeUndefined();
  });

  it("keep the reason of an end within the 4 KiB that Kubernetes shows", async () => {
    const { sayWhy } = podFiles(places(root));
    sayWhy({ code: "INTERNAL", message: "ü\n".repeat(4000), restartable: true });
    const bytes = await readFile(join(root, "why"));
    expect(bytes.length).toBeLessThanOrEqual(4096);
    expect(JSON.parse(bytes.toString())).toMatchObject({ code: "INTERNAL", restartable: true });
  });
});
