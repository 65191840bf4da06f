import type { BinaryOperator, NodeOf } from "./expression.ts";

const plain = {
  "+": "add",
  "-": "subtract",
  "*": "multiply",
  "/": "quotient",
  "%": "modulo",
  "<": "less",
  "<=": "lessOrEqual",
  ">": "greater",
  ">=": "greaterOrEqual",
  "==": "equal",
  "!=": "unequal",
  in: "isIn",
} as const satisfies Record<BinaryOperator, string>;

const ofDoubles = { "+": "addDouble", "-": "subtractDouble", "*": "multiplyDouble", "/": "quotientDouble" } as const;

/** Name of the run-time operation of a binary node. */
export function binaryOperation({ operator, double }: NodeOf<"binary">) {
  switch (operator) {
    case "+":
    case "-":
    case "*":
    case "/":
      return double ? ofDoubles[operator] : plain[operator];
    default:
      return plain[operator];
  }
}
