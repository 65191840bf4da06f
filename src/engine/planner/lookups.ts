import { parseDuration } from "../../api/duration.ts";
import type { Pipeline } from "../../api/pipeline.schema.ts";
import { WeirError } from "../../errors.ts";
import type { VariableType } from "../../expression/value-type.ts";
import type { PlanLookup, PlanNode } from "../plan.ts";
import { none } from "./declared-key.ts";
import type { Declared } from "./declared-key.ts";
import { lookupEndpoint } from "./endpoints.ts";
import { parseExpression } from "../../expression/parse.ts";
import { checkUnclaimed, typeOfExpression } from "./expressions.ts";
import type { CheckedNode } from "./expressions.ts";
import { mapFields } from "./map-fields.ts";
import { variablePath } from "./field-path.ts";
import type { GraphNode } from "./stream-graph.ts";

export type LookupNode = Extract<PlanNode, { kind: "lookup" }>;

const CAPACITY = 100;
const TIMEOUT = "10s";
const CACHED_ROWS = 10_000;

interface Around {
  readonly pipeline: Pipeline;
  readonly parameters: Readonly<Record<string, string>>;
  /** Schema of the input. */
  readonly event: VariableType | undefined;
  readonly report?: CheckedNode["report"];
}

/** The physical operator of a lookup; undefined for any other node. What its schema cannot say has been checked. */
export function lookupOperation({ name, spec, inputs }: GraphNode, around: Around): LookupNode | undefined {
  const { join } = spec;
  if (join?.lookup === undefined) return undefined;
  const { leftKey, type: joinType = "Inner", select } = join;
  if (leftKey === undefined || joinType === "Outer")
    throw new WeirError("PIPELINE_INVALID", `node "${name}": a lookup needs leftKey, and is Inner or Left`);
  const { event: left = "dyn", report } = around;
  const variables = { left, right: "dyn" } as const;
  const key = checkUnclaimed({ name, field: "join.leftKey", variables: { left }, report }, leftKey, "key");
  refuseOtherParts(name, key, { left, columns: join.lookup.keyColumns });
  return {
    name,
    inputs,
    onError: spec.onError ?? "Fail",
    kind: "lookup",
    key,
    joinType,
    select: select === undefined ? null : mapFields({ name, variables, report }, "join.select", select),
    lookup: lookupOf(name, join.lookup, around),
  };
}

/** A key has as many parts as a table has key columns, where that shows before a record comes. */
function refuseOtherParts(
  node: string,
  key: string,
  { left, columns }: { readonly left: VariableType; readonly columns: readonly string[] | undefined },
): void {
  if (columns === undefined) return;
  const parts = partsOf(key, left);
  if (parts === undefined || parts === columns.length) return;
  const list = columns.map((name) => `left.${name}`).join(", ");
  const wanted = columns.length === 1 ? "write one value" : `write a list such as [${list}]`;
  const why = `join.leftKey: "${key}" has ${parts} ${parts === 1 ? "part" : "parts"} and keyColumns names ${columns.length}; ${wanted}`;
  throw new WeirError("PIPELINE_INVALID", `node "${node}": ${why}`);
}

function partsOf(key: string, left: VariableType): number | undefined {
  const type = typeOfExpression({ name: "", variables: { left }, report: () => undefined }, key);
  if (type === undefined || type.kind === "dyn") return undefined;
  if (type.kind !== "list") return 1;
  const { ast } = parseExpression(key, { variables: { left, params: "dyn" } });
  return ast.kind === "list" ? ast.items.length : undefined;
}

function lookupOf(
  node: string,
  spec: NonNullable<NonNullable<Pipeline["nodes"][number]["join"]>["lookup"]>,
  { pipeline, parameters }: Around,
): PlanLookup {
  const { connection, cache, capacity = CAPACITY, timeout = TIMEOUT, retries, ...own } = spec;
  const { rows = CACHED_ROWS, ttl, missing = true } = cache ?? {};
  return {
    ...lookupEndpoint({ connection, own }, { node, pipeline, parameters }),
    capacity,
    timeoutMs: parseDuration(timeout),
    retries: retries ?? null,
    cache: cache === undefined ? null : { rows, ttlMs: ttl === undefined ? 0 : parseDuration(ttl), missing },
  };
}

/** Where the declared key is in what a lookup or a broadcast gives: the record goes through as `left`. */
export function throughPairs({ name, spec }: GraphNode, input: Declared): Declared {
  if (input.path === undefined) return input;
  const { path, origin } = input;
  const { select } = spec.join ?? spec.broadcast ?? {};
  if (select === undefined) return { path: ["left", ...path], origin };
  const key = ["left", ...path].join(".");
  const copied = Object.entries(select).find(([, text]) => variablePath(text)?.join(".") === key);
  if (copied === undefined) return none(`"${name}" does not copy ${key} unchanged`);
  return { path: copied[0].split("."), origin };
}
