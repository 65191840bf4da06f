import { WeirError } from "../errors.ts";
import type { Expression, Node, NodeOf } from "./expression.ts";
import { Failure } from "./failure.ts";
import { binaryOperation } from "./operation.ts";
import { textOfPath } from "./references.ts";
import { found, read } from "./runtime/access.ts";
import { celRuntime as rt } from "./runtime/runtime.ts";

/** Values of the variables; a variable without a value is missing. */
export type Bindings = Readonly<Record<string, unknown>>;

/** The value, or a Failure that says why there is none. This is the oracle for generated code. */
export function tryEvaluate(expression: Expression, bindings: Bindings): unknown {
  rt.begin();
  return run(expression.ast, { bindings, locals: [] });
}

/** The value; throws EXPRESSION_FAILED. */
export function evaluate(expression: Expression, bindings: Bindings): unknown {
  const value = tryEvaluate(expression, bindings);
  if (value instanceof Failure) throw evaluationError(expression.text, value);
  return value;
}

/** The error that a user reads about a failed evaluation. */
export function evaluationError(text: string, failure: Failure): WeirError {
  return new WeirError("EXPRESSION_FAILED", `"${text}": ${failure.detail}`);
}

interface Frame {
  readonly bindings: Bindings;
  readonly locals: unknown[];
}

function run(node: Node, frame: Frame): unknown {
  const sub = (n: Node): unknown => run(n, frame);
  switch (node.kind) {
    case "literal":
      return node.value;
    case "path":
      return found(readPath(node, frame), textOfPath(node.path));
    case "hasPath":
      return readPath(node, frame) !== undefined;
    case "local":
      return frame.locals[node.slot];
    case "select":
      return rt.select(sub(node.operand), node.key);
    case "hasField":
      return rt.hasField(sub(node.operand), node.key);
    case "index":
      return rt.at(sub(node.operand), sub(node.index));
    case "not":
      return rt.not(sub(node.operand));
    case "negate":
      return rt.negate(sub(node.operand));
    default:
      return runCompound(node, frame);
  }
}

type Compound = NodeOf<"and" | "or" | "conditional" | "binary" | "list" | "map" | "call" | "comprehension">;

function runCompound(node: Compound, frame: Frame): unknown {
  const sub = (n: Node): unknown => run(n, frame);
  switch (node.kind) {
    case "and":
      return shortCircuit(node.operands, false, sub);
    case "or":
      return shortCircuit(node.operands, true, sub);
    case "conditional": {
      const test = sub(node.test);
      return typeof test === "boolean" ? sub(test ? node.yes : node.no) : rt.notBool(test, "?:");
    }
    case "binary":
      return rt[binaryOperation(node)](sub(node.left), sub(node.right));
    case "list":
      return rt.list(...node.items.map(sub));
    case "map":
      return rt.map(...node.entries.flat().map(sub));
    case "call":
      return rt.functions[node.name]?.(...node.args.map(sub));
    case "comprehension":
      return loop(node, frame);
  }
}

function readPath({ path }: NodeOf<"path" | "hasPath">, { bindings }: Frame): unknown {
  const root = path[0] ?? "";
  return Object.hasOwn(bindings, root) ? read(bindings[root], path, 1) : undefined;
}

/** One decisive operand decides, whatever the others are, failures included. */
function shortCircuit(operands: readonly Node[], decisive: boolean, sub: (n: Node) => unknown): unknown {
  const values: unknown[] = [];
  for (const operand of operands) {
    const value = sub(operand);
    if (value === decisive) return decisive;
    values.push(value);
  }
  if (values.every((v) => v === !decisive)) return !decisive;
  return decisive ? rt.notAllFalse(...values) : rt.notAllTrue(...values);
}

function loop(node: NodeOf<"comprehension">, frame: Frame): unknown {
  const { over, slot, predicate, transform } = node;
  const body = (n: Node | null) => (item: unknown) => {
    frame.locals[slot] = item;
    return n === null ? item : run(n, frame);
  };
  const items = run(over, frame);
  switch (node.macro) {
    case "all":
      return rt.all(items, body(predicate));
    case "exists":
      return rt.exists(items, body(predicate));
    case "exists_one":
      return rt.existsOne(items, body(predicate));
    case "filter":
      return rt.filter(items, body(predicate));
    case "map":
      return rt.mapItems(items, body(transform), predicate === null ? undefined : body(predicate));
  }
}
