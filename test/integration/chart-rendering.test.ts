import { readFileSync, readdirSync, rmdirSync } from "node:fs";
import { join } from "node:path";
import { CORE_SCHEMA, load, loadAll } from "js-yaml";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { operatorConfig } from "../../src/main/operator-config.ts";
import type { Helm } from "../servers/helm.ts";
import { chart, runTool, startHelm } from "../servers/helm.ts";

interface Rendered {
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string; readonly annotations?: object };
  readonly rules?: readonly object[];
  readonly data?: Readonly<Record<string, string>>;
  readonly spec?: {
    readonly template?: {
      readonly metadata: { readonly annotations: Readonly<Record<string, string>> };
      readonly spec: { readonly containers: readonly { readonly image: string }[] };
    };
  };
}

const cases = readdirSync(join(chart, "ci")).toSorted();
const valuesOf = (file: string): string[] => ["--values", join(chart, "ci", file)];
/** A Helm 3 that `go install` made takes itself for one of Kubernetes 1.20. */
const template = ["template", "weir", chart, "--namespace", "weir-system", "--kube-version", "1.34.0"];

/** What kube-score calls critical, and why it is right here. */
const ACCEPTED: readonly (readonly [RegExp, string])[] = [
  [
    /ImagePullPolicy is not set to Always/,
    "a version's image never changes, and a node without its registry must start it",
  ],
  [/-workers\/\S+ .*selector doesn't match any pods/, "the operator makes the workers' pods, not the chart"],
];

describe("the chart", () => {
  let helm: Helm;
  beforeAll(async () => {
    helm = await startHelm("helm");
  });
  afterAll(() => helm?.stop());

  const renderings = new Map<string, Promise<string>>();
  /** The chart with the values of a file; each is rendered once. */
  const rendering = (file: string): Promise<string> => {
    const rendered = renderings.get(file) ?? helm.ok([...template, ...valuesOf(file)]);
    renderings.set(file, rendered);
    return rendered;
  };

  it("passes its unit tests", async () => {
    const { code, stdout, stderr } = await runTool("helm-unittest", [chart]);
    removeIfEmpty(join(chart, "tests/__snapshot__"));
    expect(code, stdout + stderr).toBe(0);
    expect(Number(/Tests: +(\d+) passed/.exec(stdout)?.[1])).toBeGreaterThan(80);
  });

  it.each(cases)("passes the strict linter and kube-score with %s", async (file) => {
    await helm.ok(["lint", "--strict", chart, ...valuesOf(file)]);
    const manifests = await rendering(file);
    expect(manifests).toContain("kind: Deployment");
    const score = await runTool("kube-score", ["score", "--output-format", "ci", "-"], {}, manifests);
    const critical = score.stdout.split("\n").filter((line) => line.startsWith("[CRITICAL]"));
    // What it leaves out it leaves out on purpose.
    const isMinimal = file.startsWith("minimal");
    expect(critical.filter((line) => !isMinimal && !ACCEPTED.some(([what]) => what.test(line)))).toEqual([]);
  });

  it.each(cases)("renders the same under Helm 3 and Helm 4 with %s", async (file) => {
    const helm3 = await startHelm("helm3");
    try {
      const [old, now] = await Promise.all([helm3.ok([...template, ...valuesOf(file)]), rendering(file)]);
      expect(sorted(old)).toEqual(sorted(now));
    } finally {
      helm3.stop();
    }
  });

  it.each(cases)("gives the operator a configuration that it accepts with %s", async (file) => {
    const objects = parsed(await rendering(file));
    const text = objects.find((o) => o.data?.["operator.yaml"] !== undefined)?.data?.["operator.yaml"] ?? "";
    const config = operatorConfig.parse(load(text, { schema: CORE_SCHEMA }));
    expect(config.tokenKeyFile).toBe("/etc/weir/worker-key/key");
    const operator = objects.find((o) => o.kind === "Deployment")?.spec?.template?.spec.containers[0];
    expect(operator?.image).toBe(config.worker.image);
  });

  it("has no cluster-wide object where none is wanted", async () => {
    const kinds = parsed(await rendering("namespaced-values.yaml")).map((o) => o.kind);
    expect(kinds.filter((kind) => kind.startsWith("Cluster") || kind === "CustomResourceDefinition")).toEqual([]);
    expect(kinds).toContain("Role");
  });

  it("grants what config/rbac lists, in each watched namespace or in all, and nothing else", async () => {
    const [watched, leader] = loadAll(readFileSync(join(chart, "../../config/rbac/role.yaml"), "utf8")) as Rendered[];
    const rolesOf = async (file: string): Promise<unknown[]> =>
      parsed(await rendering(file)).flatMap((o) =>
        o.rules === undefined || /-(view|edit|admin)$/.test(o.metadata.name)
          ? []
          : [{ kind: o.kind, namespace: o.metadata.namespace, rules: o.rules }],
      );
    const elsewhere = { kind: "Role", namespace: "weir-system", rules: leader?.rules };
    expect(await rolesOf("all-namespaces-values.yaml")).toEqual([
      { kind: "ClusterRole", rules: watched?.rules },
      elsewhere,
    ]);
    expect(await rolesOf("namespaced-values.yaml")).toEqual([
      ...["team-a", "team-b"].map((namespace) => ({ kind: "Role", namespace, rules: watched?.rules })),
      elsewhere,
    ]);
  });

  it("names the namespace of each object that has one", async () => {
    const objects = parsed(await rendering("default-values.yaml"));
    const isClusterWide = ({ kind }: Rendered): boolean => /^Cluster|^CustomResource/.test(kind);
    const homeless = objects.filter((o) => !isClusterWide(o) && o.metadata.namespace !== "weir-system");
    expect(homeless.map((o) => `${o.kind} ${o.metadata.name}`)).toEqual([]);
  });

  it("has no hook but helm test", async () => {
    const objects = parsed(await rendering("everything-values.yaml"));
    const hooks = objects.filter((o) => JSON.stringify(o.metadata.annotations ?? {}).includes("helm.sh/hook"));
    expect(hooks.map((o) => `${o.kind} ${o.metadata.name}`)).toEqual(["Pod streams-test"]);
  });

  it("gives the operator's pods another checksum with another configuration, and the same with the same", async () => {
    const sum = async (...set: string[]): Promise<string | undefined> => {
      const args = [
        ...template,
        ...valuesOf("default-values.yaml"),
        "--show-only",
        "templates/deployment.yaml",
        ...set,
      ];
      return parsed(await helm.ok(args))[0]?.spec?.template?.metadata.annotations["weir.dev/config-sha256"];
    };
    const [first, again, other] = await Promise.all([sum(), sum(), sum("--set", "config.logLevel=debug")]);
    expect(again).toBe(first);
    expect(other).not.toBe(first);
  });

  it("refuses to make a key where no API server can keep it, and says what to do", async () => {
    const { code, stderr } = await helm.run(template);
    expect(code).not.toBe(0);
    expect(stderr).toContain("kubectl -n weir-system create secret generic weir-worker-key");
    expect(stderr).toContain("workerKey.existingSecret=weir-worker-key");
  });

  it("names what is wrong in values, and where", async () => {
    const wrong = ["--set", "replicaCount=3", "--set", "config.logLevel=loud", "--set", "image.tagg=v1"];
    const { code, stderr } = await helm.run([...template, ...valuesOf("default-values.yaml"), ...wrong]);
    expect(code).not.toBe(0);
    expect(stderr).toMatch(/'replicaCount' not allowed/);
    expect(stderr).toMatch(/at '\/image': additional properties 'tagg' not allowed/);
    expect(stderr).toMatch(/at '\/config\/logLevel': value must be one of 'debug', 'info', 'warn', 'error'/);
  });
});

const parsed = (text: string): Rendered[] => (loadAll(text) as (Rendered | null)[]).filter((o) => o !== null);

/** The versions order hooks and kinds in their own ways. */
const sorted = (text: string | undefined): Rendered[] =>
  parsed(text ?? "").toSorted((a, b) => key(a).localeCompare(key(b)));
const key = ({ kind, metadata }: Rendered): string => `${kind}/${metadata.namespace ?? ""}/${metadata.name}`;

/** helm-unittest leaves a folder for snapshots although there are none. */
function removeIfEmpty(folder: string): void {
  try {
    rmdirSync(folder);
  } catch {
    // It is not there, or somebody has snapshots.
  }
}
