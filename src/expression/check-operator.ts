import type { ArithmeticOperator, BinaryOperator, Node } from "./expression.ts";
import type { Place } from "./scope.ts";
import { invalid } from "./scope.ts";
import type { TypeKind, ValueType } from "./value-type.ts";
import {
  BOOL,
  CLAIMED_DOUBLE,
  compatible,
  DOUBLE,
  DURATION,
  DYN,
  INT,
  isMapLike,
  isNumeric,
  isSureDouble,
  join,
  nameOfType,
  STRING,
  TIMESTAMP,
} from "./value-type.ts";

type Pair = readonly [Node, Node];

export function checkBinary(operator: BinaryOperator, [left, right]: Pair, place: Place): Node {
  const [a, b] = [left.type, right.type];
  const type = resultType(operator, a, b);
  if (type === undefined) throw invalid(place.scope, place.node, mismatch(operator, a, b));
  const double = isSureDouble(a) || isSureDouble(b);
  return { kind: "binary", type, operator, left, right, double };
}

function resultType(operator: BinaryOperator, a: ValueType, b: ValueType): ValueType | undefined {
  switch (operator) {
    case "==":
    case "!=":
      return isEquatable(a, b) ? BOOL : undefined;
    case "in":
      return isIn(a, b) ? BOOL : undefined;
    case "+":
    case "-":
    case "*":
    case "/":
    case "%":
      return arithmetic(operator, a, b);
    default:
      return isComparable(a, b) ? BOOL : undefined;
  }
}

/** Anything may be compared with null: the fields of records are null now and then. */
const isEquatable = (a: ValueType, b: ValueType): boolean => compatible(a, b) || a.kind === "null" || b.kind === "null";
const isComparable = (a: ValueType, b: ValueType): boolean => compatible(a, b) && isOrdered(a) && isOrdered(b);

function isOrdered(t: ValueType): boolean {
  return t.kind !== "null" && t.kind !== "list" && !isMapLike(t);
}

function isIn(a: ValueType, b: ValueType): boolean {
  if (b.kind === "list") return compatible(a, b.item) || a.kind === "null";
  if (isMapLike(b)) return a.kind === "string" || a.kind === "dyn";
  return b.kind === "dyn";
}

/** What an operator makes of two kinds, beside numbers and lists. */
const results: readonly (readonly [ArithmeticOperator, TypeKind, TypeKind, ValueType])[] = [
  ["+", "string", "string", STRING],
  ["+", "timestamp", "duration", TIMESTAMP],
  ["+", "duration", "timestamp", TIMESTAMP],
  ["+", "duration", "duration", DURATION],
  ["-", "timestamp", "timestamp", DURATION],
  ["-", "timestamp", "duration", TIMESTAMP],
  ["-", "duration", "duration", DURATION],
];

function arithmetic(operator: ArithmeticOperator, a: ValueType, b: ValueType): ValueType | undefined {
  if (a.kind === "dyn" && b.kind === "dyn") return DYN;
  if (isNumberOrDyn(a) && isNumberOrDyn(b)) return numbers(operator, a, b);
  if (a.kind === "list" || b.kind === "list") return operator === "+" && compatible(a, b) ? join(a, b) : undefined;
  const fits = (t: ValueType, kind: TypeKind): boolean => t.kind === kind || t.kind === "dyn";
  const possible = results
    .filter(([o, l, r]) => o === operator && fits(a, l) && fits(b, r))
    .map(([, , , type]) => type);
  return possible.every((t) => t === possible[0]) ? possible[0] : DYN;
}

const isNumberOrDyn = (t: ValueType): boolean => isNumeric(t) || t.kind === "dyn";

function numbers(operator: ArithmeticOperator, a: ValueType, b: ValueType): ValueType | undefined {
  if (a.kind === "double" || b.kind === "double") {
    if (operator === "%") return undefined;
    return isSureDouble(a) || isSureDouble(b) ? DOUBLE : CLAIMED_DOUBLE;
  }
  return a.kind === "int" && b.kind === "int" ? INT : DYN;
}

function mismatch(operator: BinaryOperator, a: ValueType, b: ValueType): string {
  const [left, right] = [nameOfType(a), nameOfType(b)];
  const kinds = [a.kind, b.kind];
  const convert =
    kinds.includes("string") && (kinds.includes("int") || kinds.includes("double"))
      ? "; convert one side with int(…), double(…) or string(…)"
      : "";
  return `${operator} does not take ${left} and ${right}${convert}`;
}
