import { describe, expect, it } from "vitest";
import { importsOf, isTest, listFiles, read } from "./sources.ts";

/** The layer table: an import may only point downwards, or stay inside its folder. */
const base = ["api", "errors.ts", "clock.ts", "expression", "yaml"];
const layerOne = [...base, "lifecycle", "policy", "engine"];
const layerTwo = [...layerOne, "kube", "flink", "local", "history"];
const mayImport: Readonly<Record<string, readonly string[]>> = {
  "errors.ts": [],
  "clock.ts": [],
  api: ["errors.ts"],
  expression: base,
  yaml: ["errors.ts"],
  lifecycle: base,
  policy: base,
  engine: base,
  kube: base,
  flink: base,
  local: [...base, "kube"],
  history: base,
  controllers: layerTwo,
  worker: [...base, "engine"],
  http: layerTwo,
  cli: layerTwo,
  main: [...layerTwo, "controllers", "worker", "http", "cli"],
};

const concept = (file: string): string => file.split("/")[1] ?? "";
const sources = listFiles("src/**/*.ts", "src/*.ts").filter((f) => !isTest(f));

describe("the layer table", () => {
  it("names every folder under src", () => {
    expect([...new Set(sources.map(concept))].filter((c) => !(c in mayImport))).toEqual([]);
  });

  it("lets an import point only downwards", () => {
    const upwards = sources.flatMap((file) =>
      importsOf(file)
        .files.filter((target) => target.startsWith("src/"))
        .filter((target) => concept(target) !== concept(file) && !mayImport[concept(file)]?.includes(concept(target)))
        .map((target) => `${file} imports ${target}`),
    );
    expect(upwards).toEqual([]);
  });

  it("keeps product code away from the tests, scripts and the outside of the repository", () => {
    const outside = sources.flatMap((file) =>
      importsOf(file)
        .files.filter((target) => !target.startsWith("src/") && target !== "package.json")
        .map((target) => `${file} imports ${target}`),
    );
    expect(outside).toEqual([]);
  });

  it("keeps the API layer on zod alone", () => {
    const others = sources
      .filter((f) => concept(f) === "api")
      .flatMap((f) =>
        importsOf(f)
          .packages.filter((p) => p !== "zod")
          .map((p) => `${f} imports ${p}`),
      );
    expect(others).toEqual([]);
  });

  it("keeps the clock, randomness and logging out of the pure layers", () => {
    const pure = sources.filter((f) => ["api", "expression", "lifecycle", "policy"].includes(concept(f)));
    const impure = /\bDate\.now\(|\bMath\.random\(|\bconsole\.|from "node:(fs|net|http|child_process)/;
    expect(pure.filter((f) => impure.test(readSource(f)))).toEqual([]);
  });
});

function readSource(file: string): string {
  return read(file).replaceAll(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, "");
}
