import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { load, loadAll } from "js-yaml";
import { describe, expect, it } from "vitest";
import { isSection, leaves, valueTree } from "../../scripts/gen/chart/value-tree.ts";
import { LABEL, MANAGED_BY } from "../../src/api/group.ts";
import { WORKER_PORT } from "../../src/api/ports.ts";
import { chart } from "../servers/helm.ts";

const text = (file: string): string => readFileSync(join(chart, file), "utf8");
const suites = readdirSync(join(chart, "tests")).filter((name) => name.endsWith("_test.yaml"));

describe("the chart's values", () => {
  const all = leaves(valueTree());

  it("have a description each, and each section too", () => {
    const sections = (nodes: typeof all): typeof all =>
      nodes.filter(isSection).flatMap((n) => [n, ...sections(n.children)]);
    const bare = [...all, ...sections(valueTree())].filter((n) => (n.schema.description ?? "").length < 5);
    expect(bare.map((n) => n.path.join("."))).toEqual([]);
    expect(all.length).toBeGreaterThan(80);
  });

  it("are listed in the chart's README", () => {
    const readme = text("README.md");
    expect(all.map((n) => n.path.join(".")).filter((path) => !readme.includes(`| \`${path}\` |`))).toEqual([]);
  });

  it("have the default in values.yaml that the schema names", () => {
    const values = load(text("values.yaml")) as Record<string, unknown>;
    const at = (path: readonly string[]): unknown =>
      path.reduce<unknown>((v, name) => (v as Record<string, unknown> | undefined)?.[name], values);
    for (const { path, schema } of all) expect(at(path), path.join(".")).toEqual(schema.default);
  });

  it("are each set by a unit test of the chart", () => {
    const tested = suites.flatMap((name) => setPaths(load(text(`tests/${name}`))));
    // The operator's own fields are the operator's to test.
    const own = all.map((n) => n.path.join(".")).filter((path) => !path.startsWith("config."));
    expect(own.filter((path) => !tested.some((t) => t === path || t.startsWith(`${path}.`)))).toEqual([]);
  });
});

describe("the chart", () => {
  it("knows the labels and the port of worker pods", () => {
    const define = /define "weir.workerLabels" -}}\n([^{]*)\n/.exec(text("templates/_names.tpl"))?.[1] ?? "";
    expect(loadAll(define)).toEqual([{ [LABEL.component]: "worker", [LABEL.managedBy]: MANAGED_BY }]);
    const ports = text("templates/networkpolicies.yaml").match(/(?<=port: )80\d\d/g);
    expect([...new Set(ports)].toSorted()).toEqual([String(WORKER_PORT), "8081"]);
  });
});

/** Paths of all values that the `set:` blocks of a suite name: `image.tag`, `metrics.podMonitor.enabled`. */
function setPaths(suite: unknown): string[] {
  if (typeof suite !== "object" || suite === null) return [];
  return Object.entries(suite).flatMap(([key, value]) => (key === "set" ? pathsIn(value, "") : setPaths(value)));
}

function pathsIn(value: unknown, path: string): string[] {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return [path];
  const inner = Object.entries(value).flatMap(([name, v]) => pathsIn(v, path === "" ? name : `${path}.${name}`));
  return [path, ...inner];
}
