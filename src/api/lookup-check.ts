import { parseDuration, waitProblem } from "./duration.ts";
import { selectedFields } from "./join-check.ts";
import type { Found } from "./join-check.ts";
import type { Lookup, Pipeline, PipelineNode } from "./pipeline.schema.ts";
import type { Problem } from "./problem.ts";

/** What can be asked, and the fields of a lookup that say what to ask it for. */
const DATABASE = { wants: ["table", "keyColumns"], not: ["path"] } as const;
const BY_NAME = { wants: ["path"], not: ["table", "keyColumns"] } as const;
const FIELDS: Readonly<Record<string, typeof DATABASE | typeof BY_NAME>> = {
  postgres: DATABASE,
  mysql: DATABASE,
  redis: BY_NAME,
  http: BY_NAME,
};

/** What the schema cannot say of lookups: their inputs and keys, and what their connection needs. */
export function lookupProblems({ nodes, connections = [] }: Pipeline): Problem[] {
  const kinds = new Map(connections.map((c) => [c.name, Object.keys(c).find((k) => k !== "name") ?? ""]));
  return nodes.flatMap((node) =>
    problemsOf(node, kinds).map(([field, message]) => ({
      code: "PIPELINE_INVALID",
      path: `spec.pipeline.nodes[${node.name}].${field}`,
      message,
    })),
  );
}

function problemsOf({ from = [], join, ttl }: PipelineNode, kinds: ReadonlyMap<string, string>): Found[] {
  const { lookup } = join ?? {};
  if (join === undefined || lookup === undefined) return [];
  const found: Found[] = [];
  if (from.length !== 1) found.push(["from", `a lookup reads one input, not ${from.length}; union several before it`]);
  if (join.leftKey === undefined)
    found.push(["join.leftKey", "is missing: write an expression over left, such as left.id"]);
  if (join.rightKey !== undefined)
    found.push(["join.rightKey", "does not belong to a lookup: lookup says what leftKey is compared with"]);
  if (join.type === "Outer") found.push(["join.type", "cannot be Outer: a lookup does not read what nobody asks for"]);
  if (ttl !== undefined)
    found.push(["ttl", "does not belong to a lookup: it keeps no state; see join.lookup.cache.ttl"]);
  return [...found, ...selectedFields(join.select ?? {}), ...target(lookup, kinds), ...times(lookup)];
}

function target(lookup: Lookup, kinds: ReadonlyMap<string, string>): Found[] {
  const { connection, path } = lookup;
  const kind = kinds.get(connection);
  const at = "join.lookup.connection";
  if (kind === undefined) {
    const known = kinds.size === 0 ? "there are none" : `there are ${[...kinds.keys()].join(", ")}`;
    return [[at, `no connection is called "${connection}" in spec.pipeline.connections; ${known}`]];
  }
  const fields = Object.hasOwn(FIELDS, kind) ? FIELDS[kind] : undefined;
  if (fields === undefined)
    return [[at, `"${connection}" is of kind ${kind}; a lookup asks ${Object.keys(FIELDS).join(", ")}`]];
  const missing = fields.wants.filter((name) => lookup[name] === undefined);
  const odd = fields.not.filter((name) => lookup[name] !== undefined);
  const unplaced = fields === BY_NAME && path !== undefined && !path.includes("{key}");
  return [
    ...missing.map((name): Found => [`join.lookup.${name}`, `is missing: a lookup in ${kind} needs it`]),
    ...odd.map((name): Found => [`join.lookup.${name}`, `does not belong to a lookup in ${kind}`]),
    ...(unplaced ? ([["join.lookup.path", "needs {key}, which stands for leftKey"]] satisfies Found[]) : []),
  ];
}

function times({ cache, timeout }: Lookup): Found[] {
  const found: Found[] = [];
  const wait = timeout === undefined ? undefined : waitProblem(timeout);
  if (wait !== undefined) found.push(["join.lookup.timeout", wait]);
  if (cache?.ttl !== undefined && parseDuration(cache.ttl) === 0)
    found.push(["join.lookup.cache.ttl", "must be longer than 0"]);
  return found;
}
