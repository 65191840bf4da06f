import { checkCall } from "./check-call.ts";
import { checkMethod } from "./check-macro.ts";
import { checkBinary } from "./check-operator.ts";
import { suggestion } from "../api/suggestion.ts";
import type { BinaryOperator, Node } from "./expression.ts";
import type { Checker, Place, Scope } from "./scope.ts";
import { condition, invalid } from "./scope.ts";
import type { Syntax } from "./syntax.ts";
import type { ValueType } from "./value-type.ts";
import { BOOL, DOUBLE, DYN, INT, isNumeric, join, listOf, mapOf, nameOfType, NULL, STRING } from "./value-type.ts";

/** Nodes deeper than this would need a deep stack to evaluate. */
const MAX_HEIGHT = 200;

/** Resolves names, checks types and turns the parser's tree into ours. Only what is listed here can be evaluated. */
export function check(node: Syntax, scope: Scope, depth = 0): Node {
  if (depth > MAX_HEIGHT) throw invalid(scope, node, "the expression is too deep; use brackets or split it");
  const sub: Checker = (n, within = scope) => check(n, within, depth + 1);
  switch (node.op) {
    case "value":
      return literal(node.args, node, scope);
    case "id":
      return variable(node.args, node, scope);
    case ".":
      return field(sub(node.args[0]), node.args[1], { node, scope });
    case "[]":
      return indexed(sub(node.args[0]), sub(node.args[1]), { node, scope });
    case "call":
      return checkCall({ name: node.args[0], args: node.args[1], node, scope }, sub);
    case "rcall":
      return checkMethod({ name: node.args[0], receiver: node.args[1], args: node.args[2], node, scope }, sub);
    case "list":
      return list(node.args.map((n) => sub(n)));
    case "map":
      return mapLiteral(node.args, { node, scope }, sub);
    default:
      return operator(node, scope, sub);
  }
}

const BINARY = ["==", "!=", "<", "<=", ">", ">=", "in", "+", "-", "*", "/", "%"] as const satisfies BinaryOperator[];
type Binary = Extract<Syntax, { op: BinaryOperator }>;
const isBinary = (node: Syntax): node is Binary => (BINARY as readonly string[]).includes(node.op);

function operator(node: Syntax, scope: Scope, sub: Checker): Node {
  if (isBinary(node)) return checkBinary(node.op, [sub(node.args[0]), sub(node.args[1])], { node, scope });
  switch (node.op) {
    case "&&":
    case "||":
      return logic(node, { node, scope }, sub);
    case "?:":
      return conditional(node.args, scope, sub);
    case "!_":
      return { kind: "not", type: BOOL, operand: condition(node.args, scope, sub) };
    case "-_":
      return negated(sub(node.args), { node, scope });
    default:
      throw invalid(scope, node, `"${node.op}" is not part of the language`);
  }
}

function literal(value: unknown, node: Syntax, scope: Scope): Node {
  if (typeof value === "bigint") {
    if (value > Number.MAX_SAFE_INTEGER)
      throw invalid(scope, node, `${value} is beyond ±(2^53 - 1), the range of an int; write a double, ${value}.0`);
    return { kind: "literal", type: INT, value: Number(value) };
  }
  if (typeof value === "number") return { kind: "literal", type: DOUBLE, value };
  if (typeof value === "string") return { kind: "literal", type: STRING, value };
  if (typeof value === "boolean") return { kind: "literal", type: BOOL, value };
  if (value === null) return { kind: "literal", type: NULL, value };
  throw invalid(scope, node, "bytes and unsigned numbers are not part of the language; write a text or an int");
}

/** Of Python, SQL and YAML, by their small letters. */
const CONSTANTS: ReadonlyMap<string, string> = new Map([
  ["null", "null"],
  ["none", "null"],
  ["nil", "null"],
  ["undefined", "has(…), or null"],
  ["true", "true"],
  ["false", "false"],
]);

function variable(name: string, node: Syntax, scope: Scope): Node {
  const local = scope.locals.get(name);
  if (local !== undefined) return { kind: "local", type: local.type, slot: local.slot };
  const type = scope.variables.get(name);
  if (type !== undefined) return { kind: "path", type, path: [name] };
  const known = [...scope.variables.keys(), ...scope.locals.keys()];
  const near = suggestion(name, known);
  const constant = CONSTANTS.get(name.toLowerCase());
  if (constant !== undefined) throw invalid(scope, node, `there is no variable "${name}"; write ${constant}`);
  const asField = scope.variables.has("event") ? `; a field of the record is written event.${name}` : "";
  const hint = `${near || asField}${withHyphen(scope.text, node.pos)}`;
  throw invalid(scope, node, `there is no variable "${name}"${hint} (known: ${known.join(", ")})`);
}

/** `event.my-field.x` is a difference: what it was meant to be. */
function withHyphen(text: string, at: number): string {
  const [, of = "", start = ""] = /([A-Za-z_][\w.]*)\.([A-Za-z_][\w-]*-)$/.exec(text.slice(0, at)) ?? [];
  const [, end = "", below = ""] = /^([\w-]+)((?:\.\w+)*)/.exec(text.slice(at)) ?? [];
  return of === "" ? "" : `; the field "${start}${end}" is written ${of}["${start}${end}"]${below}`;
}

function field(operand: Node, key: string, { node, scope }: Place): Node {
  if (key === "__proto__") throw invalid(scope, node, `"__proto__" is not a field`);
  const type = fieldType(operand.type, key, { node, scope });
  if (operand.kind === "path") return { kind: "path", type, path: [...operand.path, key] };
  return { kind: "select", type, operand, key };
}

function fieldType(of: ValueType, key: string, { node, scope }: Place): ValueType {
  if (of.kind === "dyn") return DYN;
  if (of.kind === "map") return of.value;
  if (of.kind !== "object") throw invalid(scope, node, `a value of type ${nameOfType(of)} has no field "${key}"`);
  const type = of.fields.get(key);
  if (type !== undefined) return type;
  const known = [...of.fields.keys()].slice(0, 12).join(", ");
  throw invalid(
    scope,
    node,
    `the schema has no field "${key}" here${suggestion(key, of.fields.keys())} (known: ${known})`,
  );
}

function indexed(operand: Node, index: Node, place: Place): Node {
  if (index.kind === "literal" && typeof index.value === "string") return field(operand, index.value, place);
  const { node, scope } = place;
  const [of, by] = [operand.type, index.type];
  if (of.kind === "list") {
    if (by.kind !== "int" && by.kind !== "dyn")
      throw invalid(scope, node, `a list is indexed by an int, not by ${nameOfType(by)}`);
    return { kind: "index", type: of.item, operand, index };
  }
  if (of.kind === "dyn") return { kind: "index", type: DYN, operand, index };
  if (of.kind !== "map" && of.kind !== "object")
    throw invalid(scope, node, `a value of type ${nameOfType(of)} cannot be indexed`);
  if (by.kind !== "string" && by.kind !== "dyn")
    throw invalid(scope, node, `a map is indexed by a string, not by ${nameOfType(by)}`);
  return { kind: "index", type: of.kind === "map" ? of.value : DYN, operand, index };
}

function list(items: readonly Node[]): Node {
  const item = items
    .map((n) => n.type)
    .reduce<ValueType | undefined>((a, b) => (a === undefined ? b : join(a, b)), undefined);
  return { kind: "list", type: listOf(item ?? DYN), items };
}

function mapLiteral(entries: readonly (readonly [Syntax, Syntax])[], { scope }: Place, sub: Checker): Node {
  const checked = entries.map(([k, v]) => [sub(k), sub(v)] as const);
  const keys = new Set<unknown>();
  for (const [i, [key]] of checked.entries()) {
    const at = entries[i]?.[0];
    if (at === undefined) continue;
    if (key.type.kind !== "string" && key.type.kind !== "dyn")
      throw invalid(scope, at, `the keys of a map are strings, not ${nameOfType(key.type)}`);
    if (key.kind !== "literal") continue;
    if (key.value === "__proto__") throw invalid(scope, at, `"__proto__" is not a key`);
    if (keys.has(key.value)) throw invalid(scope, at, `the key "${String(key.value)}" is twice in the map`);
    keys.add(key.value);
  }
  const value = checked
    .map(([, v]) => v.type)
    .reduce<ValueType | undefined>((a, b) => (a === undefined ? b : join(a, b)), undefined);
  return { kind: "map", type: mapOf(value ?? DYN), entries: checked };
}

/** A chain of one operator is one node: `a && b && c`. */
function logic(node: Syntax & { op: "&&" | "||" }, { scope }: Place, sub: Checker): Node {
  const operands: Syntax[] = [];
  let rest: Syntax = node;
  while (rest.op === node.op) {
    const [left, right]: readonly [Syntax, Syntax] = rest.args as [Syntax, Syntax];
    operands.unshift(right);
    rest = left;
  }
  operands.unshift(rest);
  return { kind: node.op === "&&" ? "and" : "or", type: BOOL, operands: operands.map((n) => condition(n, scope, sub)) };
}

function conditional([test, yes, no]: readonly [Syntax, Syntax, Syntax], scope: Scope, sub: Checker): Node {
  const [t, y, n] = [condition(test, scope, sub), sub(yes), sub(no)];
  return { kind: "conditional", type: join(y.type, n.type), test: t, yes: y, no: n };
}

function negated(operand: Node, { node, scope }: Place): Node {
  const { type } = operand;
  if (operand.kind === "literal" && typeof operand.value === "number")
    return { ...operand, value: type.kind === "int" ? 0 - operand.value : -operand.value };
  if (isNumeric(type) || type.kind === "dyn" || type.kind === "duration") return { kind: "negate", type, operand };
  throw invalid(scope, node, `- does not take ${nameOfType(type)}`);
}
