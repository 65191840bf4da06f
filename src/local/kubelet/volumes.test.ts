import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { ObjectReader } from "./object-reader.ts";
import type { Pod, Volume } from "./pod.ts";
import { mountVolumes } from "./volumes.ts";

let base = "";
beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), "weir-volumes-"));
});
afterEach(() => rmSync(base, { recursive: true, force: true }));

const data = { key: Buffer.from("value"), "../../escaped": Buffer.from("value") };
const reader: ObjectReader = { configMap: () => Promise.resolve(data), secret: () => Promise.resolve(data) };

function mount(volume: object, at: object = {}, namespace = "default"): Promise<void> {
  const volumeMounts = [{ name: "v", mountPath: "/v", ...at }];
  const pod: Pod = {
    metadata: { name: "p", namespace, uid: "u" },
    spec: {
      containers: [{ name: "c", image: "i", volumeMounts }],
      volumes: [{ name: "v", ...volume } as Volume],
    },
  };
  return mountVolumes(
    pod,
    { root: join(base, "root"), volumes: join(base, "volumes"), claims: join(base, "claims") },
    reader,
  );
}
const items = (path: string) => [{ key: "key", path }];

describe("a pod's volumes on this machine", () => {
  it("are where the pod mounts them, also by items and below a subPath", async () => {
    await mount({ secret: { secretName: "s", items: items("a/..b") } }, { mountPath: "/etc/s", subPath: "a" });
    expect(readFileSync(join(base, "root/etc/s/..b"), "utf8")).toBe("value");
  });

  it.each([
    ["a mountPath", { emptyDir: {} }, { mountPath: "/../../escaped" }],
    ["a subPath", { emptyDir: {} }, { subPath: "../escaped" }],
    ["a path of items", { secret: { secretName: "s", items: items("../escaped") } }, {}],
    ["a key", { configMap: { name: "c" } }, {}],
    ["a claim's name", { persistentVolumeClaim: { claimName: "../../escaped" } }, {}],
    ["a volume's name", { emptyDir: {}, name: "../v" }, { name: "../v" }],
  ])("do not leave the pod's folders by %s", async (_what, volume, at) => {
    await expect(mount(volume, at)).rejects.toThrow(/must not contain|is not the name of an object/);
    expect(["escaped", "root/escaped", "volumes/escaped", "v"].filter((f) => existsSync(join(base, f)))).toEqual([]);
    expect(existsSync(join(base, "../escaped"))).toBe(false);
  });

  it("do not leave them by the pod's namespace", async () => {
    const claim = { persistentVolumeClaim: { claimName: "c" } };
    await expect(mount(claim, {}, "../..")).rejects.toThrow(/is not the name of an object/);
  });
});
