import { readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { cases } from "../../bench/beside-flink/cases.ts";
import { pairOf } from "../../bench/beside-flink/pipelines.ts";
import { queries } from "../../bench/nexmark/queries.ts";
import { localModules } from "../../src/cli/pipeline-test/local-modules.ts";
import { runCase } from "../../src/cli/pipeline-test/run-case.ts";

const bench = join(import.meta.dirname, "../../bench");
const namesIn = (folder: string, extension: string): string[] =>
  readdirSync(join(bench, folder))
    .filter((file) => file.endsWith(`.${extension}`))
    .map((file) => file.slice(0, -extension.length - 1))
    .toSorted();

describe("what is compared with Flink", () => {
  it.each(cases.map(({ name }) => name))("%s still gives what was compared", async (name) => {
    const { plan, tests } = pairOf(name);
    expect(tests.length).toBeGreaterThan(0);
    for (const test of tests) {
      const { failures } = await runCase({ plan }, test, localModules(bench));
      expect(failures).toEqual([]);
    }
  });

  it("has a view in SQL for each node that is looked at", () => {
    for (const { name } of cases) {
      const { tests, sql } = pairOf(name);
      const views = new Set([...sql.matchAll(/CREATE TEMPORARY VIEW `?([-a-z]+)`?/g)].map(([, view]) => view));
      for (const { expect: nodes } of tests) expect(Object.keys(nodes).filter((n) => !views.has(n))).toEqual([]);
    }
  });

  it("has both forms of each case and of each query of Nexmark", () => {
    const names = cases.map(({ name }) => name).toSorted();
    expect([namesIn("beside-flink/cases", "yaml"), namesIn("beside-flink/cases", "sql")]).toEqual([names, names]);
    expect(namesIn("nexmark", "sql")).toEqual(queries.toSorted());
  });
});
