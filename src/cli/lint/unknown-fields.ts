import type { Pipeline } from "../../api/pipeline.schema.ts";
import type { Plan, PlanNode, PlanSink } from "../../engine/plan.ts";
import { typeOfExpression } from "../../engine/planner/expressions.ts";
import { sourceSchema } from "../../engine/planner/source-schema.ts";
import type { WeirError } from "../../errors.ts";
import type { VariableType } from "../../expression/value-type.ts";
import type { Warning } from "./job-warnings.ts";
import { inputShape, recordShapes, variable } from "./record-shapes.ts";
import type { ShapeOf } from "./record-shapes.ts";

/**
 * Fields that expressions read and no record can have. Schemas are checked at admission; behind a map, a window or a join
 * that would refuse jobs that run, such as one that asks has() of what is never there. So it is a warning, of names alone.
 */
export function unknownFields(pipeline: Pipeline, plan: Plan): Warning[] {
  const shapeOf = recordShapes(pipeline, plan);
  return [
    ...ofSources(pipeline),
    ...plan.nodes.flatMap((node) => readsOf(node, shapeOf).flatMap((read) => unknown(node.name, read))),
    ...plan.sinks.flatMap((sink) => ofSink(sink, shapeOf)),
  ];
}

/** Expressions, and what their variables are. */
interface Read {
  readonly texts: readonly (string | null)[];
  readonly variables: Readonly<Record<string, VariableType>>;
}

function ofSources({ nodes }: Pipeline): Warning[] {
  return nodes.flatMap((node) => {
    const { name, eventTime, partitionedBy } = node;
    const schema = sourceSchema(node);
    if (schema === undefined) return [];
    return unknown(name, { texts: [eventTime?.field ?? null, partitionedBy ?? null], variables: { event: schema } });
  });
}

const ofSink = (sink: PlanSink, shapeOf: ShapeOf): Warning[] =>
  unknown(sink.node, { texts: [sink.key], variables: { event: variable(inputShape(sink, shapeOf)) } });

function readsOf(node: PlanNode, shapeOf: ShapeOf): Read[] {
  if (node.kind === "join" || node.kind === "broadcast" || node.kind === "lookup") return ofPair(node, shapeOf);
  return [{ texts: textsOf(node), variables: { event: variable(inputShape(node, shapeOf)) } }];
}

type Pair = Extract<PlanNode, { kind: "join" | "broadcast" | "lookup" }>;

function ofPair(node: Pair, shapeOf: ShapeOf): Read[] {
  const [left, right] = node.inputs.map((input) => variable(shapeOf(input)));
  const sides = { left: left ?? "json", right: right ?? "json" };
  const [leftKey, rightKey = null] = node.kind === "lookup" ? [node.key] : node.keys;
  return [
    { texts: [leftKey ?? null], variables: { left: sides.left } },
    { texts: [rightKey], variables: { right: sides.right } },
    { texts: (node.select ?? []).map((f) => f.expression), variables: sides },
  ];
}

function textsOf(node: Exclude<PlanNode, Pair>): readonly (string | null)[] {
  switch (node.kind) {
    case "filter":
      return [node.condition];
    case "map":
      return node.fields.map((f) => f.expression);
    case "branch":
      return node.cases.map((c) => c.when);
    case "flatMap":
      return [node.expression];
    case "peek":
      return [node.message];
    case "select":
      return node.paths.map((path) => ["event", ...path].join("."));
    case "windowAggregate":
    case "keyedAggregate":
      return [node.key, ...node.aggregates.map((a) => a.arg)];
    case "topN":
      return [node.key, node.by];
    case "dedup":
    case "keyedProcess":
      return [node.key];
    default:
      return [];
  }
}

function unknown(name: string, { texts, variables }: Read): Warning[] {
  const found: Warning[] = [];
  for (const text of texts) {
    if (text === null) continue;
    const report = ({ place }: WeirError): void => {
      const { path = "", message: told = "", offset = 0 } = place ?? {};
      const message = told.replace("the schema has no field", "no record has a field");
      found.push({ code: "unknown-field", path, message, expression: { text, offset, message } });
    };
    typeOfExpression({ name, variables, report }, text);
  }
  return found;
}
