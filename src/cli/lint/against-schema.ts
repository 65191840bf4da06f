import type { Pipeline, PipelineNode } from "../../api/pipeline.schema.ts";
import { typeOfExpression } from "../../engine/planner/expressions.ts";
import type { CheckedNode } from "../../engine/planner/expressions.ts";
import { inputSchema, schemasOf } from "../../engine/planner/source-schema.ts";
import type { Schemas } from "../../engine/planner/source-schema.ts";
import { streamGraph } from "../../engine/planner/stream-graph.ts";
import type { GraphNode } from "../../engine/planner/stream-graph.ts";
import type { WeirError } from "../../errors.ts";
import type { VariableType } from "../../expression/value-type.ts";
import type { Warning } from "./job-warnings.ts";

/**
 * What cannot be meant by what a source's schema says: schemas that no record can have, keys and rankings of a type that
 * is none. Records are not held to schemas, so such a job may run and does: a warning.
 */
export function againstSchema({ nodes }: Pipeline): Warning[] {
  const graph = streamGraph(nodes);
  const schemas = schemasOf(graph);
  return [...nodes.flatMap(ofSource), ...graph.nodes.flatMap((node) => ofKeys(node, schemas))];
}

function ofSource({ name, schema = {}, eventTime }: PipelineNode): Warning[] {
  const warning = (field: string, message: string): Warning => ({
    code: "against-schema",
    path: `spec.pipeline.nodes[${name}].${field}`,
    message,
  });
  const paths = Object.keys(schema);
  const both = paths.flatMap((path) => {
    const inner = schema[path] === "json" ? undefined : paths.find((other) => other.startsWith(`${path}.`));
    const message = `is ${schema[path]} and has a field "${inner}"; take one of them out`;
    return inner === undefined ? [] : [warning(`schema.${path}`, message)];
  });
  const time = eventTime?.field?.replace(/^event\./, "") ?? "";
  const message = `event.${time} is bool by the schema, and a time is a number or a text; name the field that has it`;
  return schema[time] === "bool" ? [...both, warning("eventTime.field", message)] : both;
}

interface Key {
  readonly field: string;
  readonly text: string | undefined;
  readonly variables: Readonly<Record<string, VariableType>>;
  readonly result: "key" | "ranked";
}

type Pair = { readonly [side in "leftKey" | "rightKey"]?: string | undefined };

function ofKeys(node: GraphNode, schemas: Schemas): Warning[] {
  return keysOf(node, schemas).flatMap(({ field, text, variables, result }) => {
    const found: Warning[] = [];
    const report = ({ place }: WeirError): void => {
      const { path = "", message: told = "", offset = 0 } = place ?? {};
      const message = told.replace('" is of type', '" is by the schema of type');
      found.push({ code: "against-schema", path, message, expression: { text: text ?? "", offset, message } });
    };
    const at: CheckedNode = { name: node.name, field, variables, report };
    if (text !== undefined) typeOfExpression(at, text, result);
    return found;
  });
}

function keysOf(node: GraphNode, schemas: Schemas): Key[] {
  const { keyBy, topN, join, broadcast } = node.spec;
  const event = inputSchema(node, schemas) ?? "dyn";
  const [first = "dyn", right = "dyn"] = node.inputs.map((input) => schemas.get(input.node));
  const left = join?.lookup === undefined ? first : event;
  const pair = (name: string, keys: Pair = {}): Key[] => [
    { field: `${name}.leftKey`, text: keys.leftKey, variables: { left }, result: "key" },
    { field: `${name}.rightKey`, text: keys.rightKey, variables: { right }, result: "key" },
  ];
  return [
    { field: "keyBy", text: keyBy, variables: { event }, result: "key" },
    { field: "topN", text: topN?.by, variables: { event }, result: "ranked" },
    ...pair("join", join),
    ...pair("broadcast", broadcast),
  ];
}
