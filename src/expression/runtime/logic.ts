import { Failure } from "../failure.ts";
import { wrongType } from "./kind.ts";

/** What is wrong with a value that should have been true or false. */
export function notBool(value: unknown, what: string): Failure {
  return value instanceof Failure ? value : wrongType(what, value);
}

export function not(value: unknown): unknown {
  return typeof value === "boolean" ? !value : notBool(value, "!");
}

/** The result of `&&` when no operand is false and not all are true: the first that is not a bool. */
export function notAllTrue(...operands: readonly unknown[]): Failure {
  return notBool(
    operands.find((v) => v !== true),
    "&&",
  );
}

/** The result of `||` when no operand is true and not all are false. */
export function notAllFalse(...operands: readonly unknown[]): Failure {
  return notBool(
    operands.find((v) => v !== false),
    "||",
  );
}
