import { Failure } from "../failure.ts";
import { Duration, Timestamp } from "./instant.ts";

export type ValueKind =
  "null" | "bool" | "int" | "double" | "string" | "timestamp" | "duration" | "list" | "map" | "failure";

/** A number that is integral and within ±(2^53 - 1) is an int, any other a double. */
export function kindOf(value: unknown): ValueKind {
  switch (typeof value) {
    case "string":
      return "string";
    case "number":
      return Number.isSafeInteger(value) ? "int" : "double";
    case "boolean":
      return "bool";
    default:
      return kindOfObject(value);
  }
}

function kindOfObject(value: unknown): ValueKind {
  if (value === null) return "null";
  if (Array.isArray(value)) return "list";
  if (value instanceof Timestamp) return "timestamp";
  if (value instanceof Duration) return "duration";
  return value instanceof Failure || value === undefined ? "failure" : "map";
}

export type Fields = Readonly<Record<string, unknown>>;
export function isFields(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && kindOfObject(value) === "map";
}

/** Operands are checked in order: the first that failed is the result. */
export function failureIn(a: unknown, b: unknown): Failure | undefined {
  if (a instanceof Failure) return a;
  return b instanceof Failure ? b : undefined;
}

export function wrongType(what: string, ...values: readonly unknown[]): Failure {
  return new Failure("Type", `${what} does not take ${values.map(kindOf).join(" and ")}`);
}
