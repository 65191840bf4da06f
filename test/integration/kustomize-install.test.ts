import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { CORE_SCHEMA, loadAll } from "js-yaml";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { operatorYaml } from "../../scripts/install-yaml.ts";
import { runTool } from "../servers/helm.ts";
import type { ControlPlane } from "../servers/kubernetes.ts";
import { startControlPlane } from "../servers/kubernetes.ts";

const root = join(import.meta.dirname, "../..");
const read = (file: string): string => readFileSync(join(root, file), "utf8");

interface Manifest {
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string };
  readonly subjects?: readonly { readonly namespace?: string }[];
  readonly spec?: { readonly template?: { readonly spec: { readonly containers: readonly Container[] } } };
}
interface Container {
  readonly image: string;
  readonly env?: readonly { readonly name: string; readonly value?: string }[];
}

const parsed = (text: string): Manifest[] =>
  (loadAll(text, { schema: CORE_SCHEMA }) as (Manifest | null)[]).filter((m) => m !== null);
const key = ({ kind, metadata }: Manifest): string => `${kind}/${metadata.namespace ?? ""}/${metadata.name}`;
const sorted = (manifests: Manifest[]): Manifest[] => manifests.toSorted((a, b) => key(a).localeCompare(key(b)));

async function kustomize(folder: string): Promise<Manifest[]> {
  const { code, stdout, stderr } = await runTool("kube", ["kubectl", "kustomize", folder]);
  expect(code, stderr).toBe(0);
  return parsed(stdout);
}

describe("the install without Helm", () => {
  let overlays: string;
  beforeAll(() => {
    overlays = mkdtempSync(join(tmpdir(), "weir-kustomize-"));
  });
  afterAll(() => rmSync(overlays, { recursive: true, force: true }));

  /** An overlay outside the repository, as users have theirs. */
  async function overlay(name: string, fields: object): Promise<Manifest[]> {
    const folder = join(overlays, name);
    mkdirSync(folder);
    const resources = [relative(folder, join(root, "config/default"))];
    writeFileSync(join(folder, "kustomization.yaml"), JSON.stringify({ resources, ...fields }));
    return kustomize(folder);
  }

  it("is the chart's rendering (else run make install-yaml)", async () => {
    expect(read("config/default/operator.yaml")).toBe(await operatorYaml());
  });

  it("is the same by config/default and by the one file", async () => {
    const one = parsed(read("config/install.yaml"));
    expect(sorted(one)).toEqual(sorted(await kustomize(join(root, "config/default"))));
    expect(one.map((m) => m.kind)).toEqual(
      expect.arrayContaining(["Namespace", "CustomResourceDefinition", "Deployment"]),
    );
  });

  it("has the kinds alone in crds/", async () => {
    const names = (await kustomize(join(root, "crds"))).map((m) => m.metadata.name).toSorted();
    expect(names).toEqual(["controlpolicies.weir.dev", "maintenancewindows.weir.dev", "streamingjobs.weir.dev"]);
  });

  it("holds no Secret and speaks of no Helm", () => {
    expect(parsed(read("config/install.yaml")).map((m) => m.kind)).not.toContain("Secret");
    expect(read("config/default/operator.yaml")).not.toMatch(/helm\.sh|: Helm/);
  });

  it("moves to another namespace by one line of an overlay", async () => {
    const manifests = await overlay("namespace", { namespace: "streams" });
    const elsewhere = manifests.filter((m) => m.metadata.namespace !== undefined && m.metadata.namespace !== "streams");
    expect(elsewhere.map(key)).toEqual([]);
    const subjects = manifests.flatMap((m) => m.subjects ?? []).map((s) => s.namespace);
    expect(new Set(subjects)).toEqual(new Set(["streams"]));
    expect(JSON.stringify(manifests.filter((m) => m.kind !== "Namespace"))).not.toContain("weir-system");
  });

  it("takes the image of operator and workers from an overlay", async () => {
    const operator = "spec.template.spec.containers.[name=operator]";
    const select = { kind: "Deployment", name: "weir-operator" };
    const manifests = await overlay("image", {
      images: [{ name: "ghcr.io/weir-dev/weir", newName: "registry.example/weir", newTag: "v1" }],
      replacements: [
        {
          source: { ...select, fieldPath: `${operator}.image` },
          targets: [{ select, fieldPaths: [`${operator}.env.[name=WEIR_WORKER_IMAGE].value`] }],
        },
      ],
    });
    const container = manifests.find((m) => m.kind === "Deployment")?.spec?.template?.spec.containers[0];
    expect(container?.image).toBe("registry.example/weir:v1");
    expect(container?.env).toContainEqual({ name: "WEIR_WORKER_IMAGE", value: "registry.example/weir:v1" });
  });
});

describe("the install without Helm, on a real API server", () => {
  let cluster: ControlPlane;
  beforeAll(async () => {
    cluster = await startControlPlane();
  });
  afterAll(async () => {
    await cluster?.stop();
  });

  it("is applied as it is, under the restricted Pod Security profile", async () => {
    const apply = ["apply", "--server-side", "--validate=strict", "-f", join(root, "config/install.yaml")];
    const { code, stdout, stderr } = await cluster.kubectl(apply);
    expect(code, stderr).toBe(0);
    // The namespace warns of what it would refuse.
    expect(stderr).not.toContain("Warning");
    expect(stdout.trim().split("\n")).toHaveLength(parsed(read("config/install.yaml")).length);
  });

  it("changes nothing when it is applied again with Kustomize", async () => {
    const { code, stdout } = await cluster.kubectl(["diff", "--server-side", "-k", join(root, "config/default")]);
    expect(stdout).toBe("");
    expect(code).toBe(0);
  });
});
