import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { podFiles } from "./pod-files.ts";

let root = "";
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "weir-pod-files-"));
  await mkdir(join(root, "secrets/db"), { recursive: true });
  await writeFile(join(root, "secrets/db/password"), "hunter2");
});
afterEach(() => rm(root, { recursive: true, force: true }));

describe("the pod's files", () => {
  it("are below the pod's root where there is one, and where they say otherwise", () => {
    expect(podFiles("/pods/a", "/s", "/t").resolvePath("/var/lib")).toBe("/pods/a/var/lib");
    expect(podFiles(undefined, "/s", "/t").resolvePath("/var/lib")).toBe("/var/lib");
  });

  it("give a secret's key, nothing where there is none, and nothing outside the secret's folder", () => {
    const { secret } = podFiles(root, "/secrets", "/t");
    expect(secret("db", "password")).toBe("hunter2");
    expect(secret("db", "user")).toBeUndefined();
    expect(secret("..", "secrets")).toBeUndefined();
    expect(secret("db/../db", "password")).toBeUndefined();
  });

  it("keep the reason of an end within the 4 KiB that Kubernetes shows", async () => {
    const { sayWhy } = podFiles(root, "/secrets", "/why");
    sayWhy({ code: "INTERNAL", message: "ü\n".repeat(4000), restartable: true });
    const bytes = await readFile(join(root, "why"));
    expect(bytes.length).toBeLessThanOrEqual(4096);
    expect(JSON.parse(bytes.toString())).toMatchObject({ code: "INTERNAL", restartable: true });
  });
});
