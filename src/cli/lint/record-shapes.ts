import type { Pipeline } from "../../api/pipeline.schema.ts";
import type { Plan, PlanInput, PlanNode } from "../../engine/plan.ts";
import { sourceSchema } from "../../engine/planner/source-schema.ts";
import type { VariableType } from "../../expression/value-type.ts";

/** Which fields a record may have, by their paths; below the last name of a path anything may be. Undefined: anything. */
export type Shape = Readonly<Record<string, "json">> | undefined;
export type ShapeOf = (input: PlanInput) => Shape;

/** A side of a pair as an expression sees it. */
export const variable = (shape: Shape): VariableType => shape ?? "json";

const PATH = /^\s*(event|left|right)\.([A-Za-z_][A-Za-z0-9_.]*)\s*$/;

/** What is known of the records on each output, from the schemas of sources on and from what nodes make. */
export function recordShapes({ nodes: specs }: Pipeline, { nodes }: Plan): ShapeOf {
  const shapes = new Map<string, Shape>();
  const shapeOf: ShapeOf = ({ node, output }) => shapes.get(`${node}.${output}`);
  for (const spec of specs) {
    const schema = sourceSchema(spec);
    if (schema !== undefined) shapes.set(`${spec.name}.out`, namesOf(schema));
  }
  for (const node of nodes) {
    const given = inputShape(node, shapeOf);
    shapes.set(`${node.name}.out`, resultOf(node, given, shapeOf));
    if (node.kind === "join" || node.kind === "broadcast") continue;
    if (node.kind === "branch")
      for (const { name } of [...node.cases, { name: node.otherwise ?? "" }]) shapes.set(`${node.name}.${name}`, given);
    for (const output of ["dead", "late"]) shapes.set(`${node.name}.${output}`, given);
  }
  return shapeOf;
}

/** Of several inputs: what a record of any of them may have. */
export function inputShape({ inputs }: Pick<PlanNode, "inputs">, shapeOf: ShapeOf): Shape {
  const shapes = inputs.map(shapeOf);
  return shapes.includes(undefined) ? undefined : Object.assign({}, ...shapes);
}

function resultOf(node: PlanNode, given: Shape, shapeOf: ShapeOf): Shape {
  switch (node.kind) {
    case "map":
      return made(node.fields, { event: given });
    case "select":
      return selected(node.paths, given);
    case "windowAggregate":
    case "keyedAggregate": {
      const ends = node.kind === "windowAggregate" ? ["windowStart", "windowEnd"] : [];
      return named([node.keyField, ...ends, ...node.aggregates.map((a) => a.name)]);
    }
    case "topN":
      return { ...named([node.keyField, "rank"]), ...below("record", given) };
    case "join":
    case "broadcast":
    case "lookup": {
      const [left, right] = node.inputs.map(shapeOf);
      const sides = { left, right };
      return node.select === null ? { ...below("left", left), ...below("right", right) } : made(node.select, sides);
    }
    case "flatMap":
    case "process":
    case "keyedProcess":
      return undefined;
    // What is dropped stays known: another record may have had it where a field is asked for by has().
    default:
      return given;
  }
}

type Fields = readonly { readonly path: readonly string[]; readonly expression: string }[];

/** A field that is only copied has the fields below it that it had. */
function made(fields: Fields, of: Readonly<Record<string, Shape>>): Shape {
  const all = fields.map(({ path, expression }) => {
    const [, from = "", names = ""] = PATH.exec(expression) ?? [];
    return below(path.join("."), inside(of[from], names));
  });
  return Object.assign({}, ...all);
}

function selected(paths: readonly (readonly string[])[], given: Shape): Shape {
  return Object.assign({}, ...paths.map((path) => below(path.join("."), inside(given, path.join(".")))));
}

/** What is below a path; undefined where nothing is known of it. */
function inside(shape: Shape, path: string): Shape {
  const start = `${path}.`;
  const found = Object.keys(shape ?? {}).filter((name) => name.startsWith(start));
  return found.length === 0 ? undefined : named(found.map((name) => name.slice(start.length)));
}

function below(path: string, shape: Shape): NonNullable<Shape> {
  return shape === undefined ? named([path]) : named(Object.keys(shape).map((name) => `${path}.${name}`));
}

const namesOf = (schema: object): NonNullable<Shape> => named(Object.keys(schema));
const named = (names: readonly string[]): NonNullable<Shape> =>
  Object.fromEntries(names.map((name) => [name, "json" as const]));
