import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { VERSION } from "../../src/main/version.ts";
import { type ImageArchive, openImageArchive } from "../servers/image-archive.ts";
import { nodeCluster } from "../servers/node-cluster.ts";
import { repository } from "../servers/node-script.ts";

const MB = 1_000_000;

describe("the image", () => {
  const node = nodeCluster();
  let image: ImageArchive;
  beforeAll(async () => {
    image = await openImageArchive(join(repository, "dist/weir.tar"));
  });
  afterAll(() => image?.close());

  it("is smaller than 200 MB, most of which is Node", () => {
    console.log(`image: ${(image.size / MB).toFixed(0)} MB in ${image.files.length} files, not compressed`);
    expect(image.size).toBeLessThan(200 * MB);
  });

  it("runs as a user without rights, by its number", () => {
    expect(image.config.User).toBe("65532:65532");
    expect(image.config.Entrypoint).toEqual(["node", "/app/weir.mjs"]);
  });

  it("says what it is in the labels of the OCI", () => {
    const labels = image.config.Labels ?? {};
    expect(labels["org.opencontainers.image.version"]).toBe(VERSION);
    expect(labels["org.opencontainers.image.licenses"]).toBe("Apache-2.0");
    expect(labels["org.opencontainers.image.revision"]).toMatch(/^([0-9a-f]{40}|unknown)$/);
    expect(Object.values(labels).filter((text) => text === "")).toEqual([]);
  });

  it("holds no shell, no package manager and no sources", () => {
    const programs = image.files.filter((path) => /(^|\/)s?bin\//.test(path)).map((path) => path.split("/").at(-1));
    expect(programs.filter((name) => name !== "node")).toEqual([]);
    expect(image.files.filter((path) => /busybox|dash$|(^|\/)npm(\/|$)|\.tsx?$|\.map$/.test(path))).toEqual([]);
  });

  it("lists in sbom.json the runtime and each package of the bundles, with the locked versions", async () => {
    const bill = JSON.parse(await image.read("app/sbom.json")) as {
      bomFormat: string;
      specVersion: string;
      metadata: { component: { name: string; version: string } };
      components: { name: string; version: string; purl: string; hashes?: { alg: string; content: string }[] }[];
    };
    expect([bill.bomFormat, bill.specVersion]).toEqual(["CycloneDX", "1.6"]);
    expect(bill.metadata.component).toMatchObject({ name: "weir", version: VERSION });
    const { packages } = JSON.parse(readFileSync(join(repository, "package-lock.json"), "utf8")) as {
      packages: Record<string, { version: string }>;
    };
    const locked = new Set(
      Object.entries(packages).map(([path, { version: v }]) => `${path.split("node_modules/").at(-1)}@${v}`),
    );
    const [runtime, ...others] = bill.components;
    expect(runtime?.name).toBe("node");
    const libraries = others.filter(({ purl }) => purl.startsWith("pkg:npm/"));
    const native = others.filter(({ purl }) => purl.startsWith("pkg:deb/debian/")).map(({ name }) => name);
    expect(libraries.length + native.length).toBe(others.length);
    expect(native.some((name) => name.startsWith("librocksdb"))).toBe(true);
    expect(image.files).toContain("app/rocksdb/weir-rocksdb.node");
    expect(libraries.map((c) => `${c.name}@${c.version}`).filter((id) => !locked.has(id))).toEqual([]);
    expect(libraries.filter((c) => c.hashes?.[0]?.content.length !== 128).map((c) => c.name)).toEqual([]);
    // What it loads for sure, and an addon that is copied beside the bundles.
    for (const name of ["zod", "pino", "undici", "js-yaml", "@marcbachmann/cel-js", "@node-rs/crc32"]) {
      expect(libraries.map((c) => c.name)).toContain(name);
    }
    const copied = image.files.flatMap((path) => /^app\/node_modules\/(@[^/]+\/[^/]+|[^/]+)\//.exec(path)?.[1] ?? []);
    expect([...new Set(copied)].filter((name) => !libraries.some((c) => c.name === name))).toEqual([]);
  });

  it("says its version in a pod with a read-only root and no rights", async () => {
    const namespace = await node.namespace("image");
    const { repository: name, tag } = node.facts.image;
    await namespace.apply({
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name: "version" },
      spec: {
        restartPolicy: "Never",
        automountServiceAccountToken: false,
        securityContext: { runAsNonRoot: true, seccompProfile: { type: "RuntimeDefault" } },
        containers: [
          {
            name: "weir",
            image: `${name}:${tag}`,
            imagePullPolicy: "Never",
            args: ["--version"],
            securityContext: {
              allowPrivilegeEscalation: false,
              readOnlyRootFilesystem: true,
              capabilities: { drop: ["ALL"] },
            },
          },
        ],
      },
    });
    await namespace.waitFor("pod/version", "jsonpath={.status.phase}=Succeeded");
    expect((await namespace.logs("version")).trim()).toBe(VERSION);
  });
});
