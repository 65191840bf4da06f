import { inputOf, outputsOf } from "./graph-check.ts";
import type { Pipeline } from "./pipeline.schema.ts";
import type { Problem } from "./problem.ts";

/** Whether a pipeline's tests speak of nodes and outputs that it has. */
export function testProblems({ nodes, tests = [] }: Pipeline): Problem[] {
  const sources = nodes.filter((n) => n.source !== undefined || n.join?.lookup !== undefined).map((n) => n.name);
  const byName = new Map(nodes.map((n) => [n.name, n]));
  const wrong = (test: string, field: string, message: string): Problem => ({
    code: "PIPELINE_INVALID",
    path: `spec.pipeline.tests[${test}].${field}`,
    message,
  });
  const inputs = (name: string): string | undefined =>
    sources.includes(name) ? undefined : `there is no source or lookup "${name}"; there are ${sources.join(", ")}`;
  const outputs = (name: string): string | undefined => {
    const { node, output } = inputOf(name);
    const found = byName.get(node);
    if (found === undefined) return `there is no node "${node}"; the nodes are ${[...byName.keys()].join(", ")}`;
    if (found.sink !== undefined && !name.includes(".")) return undefined;
    const has = outputsOf(found);
    if (has.includes(output)) return undefined;
    const instead = has.length === 0 ? node : has.map((o) => (o === "out" ? node : `${node}.${o}`)).join(" or ");
    return `node "${node}" has no output "${output}"; write ${instead}`;
  };
  const check = (test: string, field: string, names: readonly string[], why: (name: string) => string | undefined) =>
    names.flatMap((name) => {
      const message = why(name);
      return message === undefined ? [] : [wrong(test, `${field}.${name}`, message)];
    });
  const isLookup = (name: string): boolean => byName.get(name)?.join?.lookup !== undefined;
  const rows = (test: string, input: Readonly<Record<string, readonly object[]>>) =>
    Object.entries(input)
      .filter(([name, given]) => isLookup(name) && given.some((row) => !("key" in row && "row" in row)))
      .map(([name]) => wrong(test, `input.${name}`, "is a lookup: write what it finds as {key: …, row: …}"));
  return tests.flatMap(({ name, input, expect }) => [
    ...rows(name, input),
    ...check(name, "input", Object.keys(input), inputs),
    ...check(name, "expect", Object.keys(expect), outputs),
    ...(Object.keys(expect).length === 0
      ? [wrong(name, "expect", "names no node; it would pass with any result")]
      : []),
  ]);
}
