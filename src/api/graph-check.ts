import type { PipelineNode } from "./pipeline.schema.ts";
import type { Problem } from "./problem.ts";
import { isTimedJoin } from "./join-check.ts";
import { isOfEventTime } from "./window-check.ts";

/** Whether a pipeline's graph is sound. Finds everything that is wrong, not only the first. */

type Nodes = ReadonlyMap<string, PipelineNode>;

export function checkGraph(nodes: readonly PipelineNode[]): Problem[] {
  const byName = new Map(nodes.map((n) => [n.name, n]));
  const consumed = new Set(nodes.flatMap((n) => readsOf(n).map(canonical)));
  return [
    ...duplicates(nodes),
    ...nodes.flatMap((n) => checkInputs(n, byName)),
    ...nodes.flatMap((n) => checkOutputs(n, consumed)),
    ...cycles(nodes, byName),
    ...endpoints(nodes),
  ];
}

/** Names of the outputs that a node has; `out` is the plain one. */
export function outputsOf(node: PipelineNode): string[] {
  const outputs: string[] = [];
  if (node.branch !== undefined) {
    outputs.push(...node.branch.cases.map((c) => c.name));
    if (node.branch.otherwise !== undefined) outputs.push(node.branch.otherwise);
  } else if (node.sink === undefined) outputs.push("out");
  outputs.push(...(node.process?.outputs ?? []));
  if (node.onError === "Dead") outputs.push("dead");
  if (isOfEventTime(node.window) || isTimedJoin(node.join)) outputs.push("late");
  return outputs;
}

/** What an entry of `from` means: a node, or one of its outputs as `node.output`. */
export const inputOf = (input: string): { node: string; output: string } => {
  const dot = input.indexOf(".");
  return dot < 0 ? { node: input, output: "out" } : { node: input.slice(0, dot), output: input.slice(dot + 1) };
};
/** Everything that a node reads; what it broadcasts comes last. */
export const readsOf = ({ from = [], broadcast }: Pick<PipelineNode, "from" | "broadcast">): readonly string[] =>
  broadcast === undefined ? from : [...from, broadcast.from];
const canonical = (input: string): string => {
  const { node, output } = inputOf(input);
  return `${node}.${output}`;
};
const at = (node: string, field: string): string => `spec.pipeline.nodes[${node}].${field}`;
const problem = (path: string, message: string): Problem => ({ code: "PIPELINE_INVALID", path, message });

function duplicates(nodes: readonly PipelineNode[]): Problem[] {
  const names = nodes.map((n) => n.name);
  const twice = [...new Set(names.filter((name, i) => names.indexOf(name) !== i))];
  return twice.map((name) => problem(at(name, "name"), `two nodes are called "${name}"; give each its own name`));
}

function checkInputs(node: PipelineNode, byName: Nodes): Problem[] {
  const inputs = readsOf(node);
  if (node.source === undefined && (node.from ?? []).length === 0) {
    return [problem(at(node.name, "from"), "is missing: name the nodes that this node reads")];
  }
  // A join may meet its input with itself.
  const repeated =
    node.join !== undefined
      ? []
      : inputs.filter((x, i) => inputs.findIndex((y) => canonical(y) === canonical(x)) !== i);
  return [
    ...inputs.flatMap((input) => checkInput(node.name, input, byName)),
    ...repeated.map((x) => problem(at(node.name, "from"), `reads "${x}" twice; name it once`)),
  ];
}

function checkInput(name: string, input: string, byName: Nodes): Problem[] {
  const { node, output } = inputOf(input);
  const upstream = byName.get(node);
  if (upstream === undefined) {
    return [problem(at(name, "from"), `there is no node "${node}"; the nodes are ${[...byName.keys()].join(", ")}`)];
  }
  // Its dead output is a real one: records whose key fails.
  if (upstream.sink !== undefined && output === "out")
    return [
      problem(
        at(name, "from"),
        `"${node}" is a sink, which gives nothing on; read ${listOf(upstream.from)}, as it does`,
      ),
    ];
  const outputs = outputsOf(upstream);
  if (outputs.includes(output)) return [];
  const has = outputs.map((o) => (o === "out" ? node : `${node}.${o}`));
  const hint = output === "dead" ? `; set onError: Dead on "${node}"` : "";
  const instead = has.length === 0 ? "it has none" : `write ${has.join(" or ")}`;
  return [problem(at(name, "from"), `node "${node}" has no output "${output}"; ${instead}${hint}`)];
}

const listOf = (names: readonly string[] = []): string => names.map((name) => `"${name}"`).join(" and ");

/** Dropping late records silently is the field's custom; dropping dead letters or results is a mistake. */
function checkOutputs(node: PipelineNode, consumed: ReadonlySet<string>): Problem[] {
  const wrong = caseNames(node);
  if (wrong.length > 0) return wrong;
  const outputs = outputsOf(node);
  const read = (output: string): boolean => consumed.has(`${node.name}.${output}`);
  const found: Problem[] = [];
  if (outputs.includes("dead") && !read("dead")) {
    const fix = `add a node with from: [${node.name}.dead], or set onError to Skip or Fail`;
    found.push(problem(at(node.name, "onError"), `is Dead, but no node reads "${node.name}.dead"; ${fix}`));
  }
  const results = outputs.filter((o) => o !== "dead" && o !== "late");
  if (results.length > 0 && !results.some(read)) {
    found.push(problem(at(node.name, "name"), "no node reads its records; give it a sink or remove it"));
  }
  return found;
}

/** Outputs that nodes have anyhow. */
const OWN_OUTPUTS: readonly string[] = ["out", "dead", "late"];

/** Two outputs of one name could not be told apart by those who read them. */
function caseNames({ name, branch }: PipelineNode): Problem[] {
  if (branch === undefined) return [];
  const { cases, otherwise } = branch;
  const named = [
    ...cases.map((c, i) => ({ output: c.name, where: `branch.cases[${i}].name` })),
    ...(otherwise === undefined ? [] : [{ output: otherwise, where: "branch.otherwise" }]),
  ];
  return named.flatMap(({ output, where }, i) => {
    if (OWN_OUTPUTS.includes(output))
      return problem(at(name, where), `"${output}" is an output that nodes have anyhow; give the case another name`);
    const first = named.findIndex((other) => other.output === output);
    return first < i
      ? problem(at(name, where), `another case before it is called "${output}"; give each its own name`)
      : [];
  });
}

function cycles(nodes: readonly PipelineNode[], byName: Nodes): Problem[] {
  const done = new Set<string>();
  const found: Problem[] = [];
  const visit = (node: PipelineNode, path: readonly string[]): void => {
    const seen = path.indexOf(node.name);
    if (seen >= 0) {
      const circle = [...path.slice(seen), node.name].toReversed().join(" → ");
      found.push(
        problem(
          at(node.name, "from"),
          `the nodes form a cycle: ${circle}; records would never leave it: let one of them read another node`,
        ),
      );
      return;
    }
    if (done.has(node.name)) return;
    for (const input of readsOf(node)) {
      const upstream = byName.get(inputOf(input).node);
      if (upstream !== undefined) visit(upstream, [...path, node.name]);
    }
    done.add(node.name);
  };
  for (const node of nodes) visit(node, []);
  return found;
}

function endpoints(nodes: readonly PipelineNode[]): Problem[] {
  const found: Problem[] = [];
  if (!nodes.some((n) => n.source !== undefined))
    found.push(problem("spec.pipeline.nodes", "no node is a source; add one that reads the events"));
  if (!nodes.some((n) => n.sink !== undefined))
    found.push(problem("spec.pipeline.nodes", "no node is a sink; add one that writes the results"));
  return found;
}
