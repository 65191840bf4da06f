import type { Emitted, Emitter, TextTest } from "./emitted.ts";
import { settled } from "./emitted.ts";
import type { ArithmeticOperator, CompareOperator, NodeOf } from "./expression.ts";
import { binaryOperation } from "./operation.ts";

interface Operands {
  readonly left: Emitted;
  readonly right: Emitted;
  /** Assignments that must run first, each with a comma behind it. */
  readonly setup: string;
  /** The call of the run-time operation, for whatever the shortcut does not cover. */
  readonly slow: string;
}

/** `==`, `<`, `+` and the like: a shortcut for numbers and literals, else the run-time operation. */
export function emitBinary(node: NodeOf<"binary">, e: Emitter): Emitted {
  const operands = operandsOf(node, e);
  switch (node.operator) {
    case "==":
    case "!=":
      return textEquality(node, equality(node.operator, operands, e), e);
    case "in":
      return membership(node, operands, e);
    case "<":
    case "<=":
    case ">":
    case ">=":
      return comparison(node.operator, operands);
    case "%":
      return { code: wrap(operands, operands.slow) };
    default:
      return arithmetic(node.operator, operands, { double: node.double, e });
  }
}

function operandsOf(node: NodeOf<"binary">, e: Emitter): Operands {
  const [l, r] = [e.emit(node.left, e), e.emit(node.right, e)];
  const [left, right] = [named(l, e), named(r, e)];
  const slow = `${e.runtime}.${binaryOperation(node)}(${settled(left.value, e).code}, ${settled(right.value, e).code})`;
  return { left: left.value, right: right.value, setup: left.setup + right.setup, slow };
}

function named(value: Emitted, e: Emitter): { value: Emitted; setup: string } {
  if (value.atom === true) return { value, setup: "" };
  const name = e.newName();
  e.temps.push(name);
  return { value: { ...value, code: name, atom: true }, setup: `${name} = ${value.code}, ` };
}

const wrap = ({ setup }: Operands, code: string): string => `(${setup}${code})`;

const is = (value: Emitted, type: "number" | "string"): string =>
  value.sure === type ? "" : `typeof ${value.code} === "${type}"`;

function both(left: Emitted, right: Emitted, type: "number" | "string"): string {
  const tests = [is(left, type), is(right, type)].filter((t) => t !== "");
  return tests.length === 0 ? "true" : tests.join(" && ");
}

function comparison(operator: CompareOperator, operands: Operands): Emitted {
  const { left, right, slow } = operands;
  const test = both(left, right, "number");
  const fast = `${left.code} ${operator} ${right.code}`;
  if (test === "true") return { code: wrap(operands, fast), sure: "bool" };
  return { code: wrap(operands, `${test} ? ${fast} : ${slow}`) };
}

/** A field compared with a literal needs only to be there; two values that are not objects compare by ===. */
function equality(operator: "==" | "!=", operands: Operands, e: Emitter): Emitted {
  const { left, right, slow } = operands;
  const same = operator === "==" ? "===" : "!==";
  const fast = `${left.code} ${same} ${right.code}`;
  if (left.sure !== undefined && right.sure !== undefined) return { code: wrap(operands, fast), sure: "bool" };
  const [field, other] = left.path === undefined ? [right, left] : [left, right];
  if (field.path !== undefined && other.sure !== undefined) return { code: wrap(operands, presentOr(field, fast, e)) };
  const kind = left.sure ?? right.sure;
  if (kind === "number" || kind === "string")
    return { code: wrap(operands, `${both(left, right, kind)} ? ${fast} : ${slow}`) };
  return { code: wrap(operands, slow) };
}

/** A field and a text where their bytes will do. */
function textEquality(node: NodeOf<"binary">, general: Emitted, e: Emitter): Emitted {
  const [field, other] = node.left.kind === "path" ? [node.left, node.right] : [node.right, node.left];
  const test = field.kind === "path" && other.kind === "literal" ? bytesTest(field, other, e) : undefined;
  if (test === undefined) return general;
  const same = node.operator === "==" ? test.same : `!(${test.same})`;
  return { code: `(${test.known} ? ${same} : ${general.code})` };
}

function bytesTest(field: NodeOf<"path">, { value }: NodeOf<"literal">, e: Emitter): ReturnType<TextTest> {
  return typeof value === "string" ? e.textTest?.(field.path, value) : undefined;
}

function presentOr(field: Emitted, test: string, e: Emitter): string {
  return `${field.code} === undefined ? ${e.runtime}.missing(${JSON.stringify(field.path)}) : ${test}`;
}

const MOST_ALTERNATIVES = 16;

/** A field in a short list of literals is a chain of comparisons. */
function membership(node: NodeOf<"binary">, operands: Operands, e: Emitter): Emitted {
  const { right, left } = node;
  const items = right.kind === "list" ? right.items : [];
  const plain = items.every((item) => item.kind === "literal" && item.value !== null);
  if (left.kind !== "path" || items.length === 0 || items.length > MOST_ALTERNATIVES || !plain)
    return { code: wrap(operands, operands.slow) };
  const tests = items.map((item) => `${operands.left.code} === ${e.emit(item, e).code}`);
  const general = `(${presentOr(operands.left, tests.join(" || "), e)})`;
  const texts = items.map((item) => (item.kind === "literal" ? bytesTest(left, item, e) : undefined));
  const [first] = texts;
  if (first === undefined || texts.includes(undefined)) return { code: general };
  return { code: `(${first.known} ? ${texts.map((t) => `(${t?.same})`).join(" || ")} : ${general})` };
}

interface ArithmeticContext {
  readonly double: boolean;
  readonly e: Emitter;
}

/**
 * A sum that is a safe integer is right whether its sides are ints or doubles, and adding 0 turns -0 into 0. Division
 * depends on which they are, so that only that of doubles is written out.
 */
function arithmetic(
  operator: Exclude<ArithmeticOperator, "%">,
  operands: Operands,
  context: ArithmeticContext,
): Emitted {
  const { left, right, slow } = operands;
  const test = both(left, right, "number");
  const fast = `${left.code} ${operator} ${right.code}`;
  if (context.double) {
    if (test === "true") return { code: wrap(operands, fast), sure: "number" };
    return { code: wrap(operands, `${test} ? ${fast} : ${slow}`) };
  }
  if (operator === "/") return { code: wrap(operands, slow) };
  const name = context.e.newName();
  context.e.temps.push(name);
  return { code: wrap(operands, `${test} && Number.isSafeInteger(${name} = ${fast}) ? ${name} + 0 : ${slow}`) };
}
