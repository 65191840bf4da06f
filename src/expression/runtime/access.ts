import { Failure } from "../failure.ts";
import type { FieldPath } from "../expression.ts";
import { MAX_ITEMS } from "./budget.ts";
import { isFields, kindOf, wrongType } from "./kind.ts";

export const missing = (path: string): Failure => new Failure("Missing", `there is no ${path}`);

/** What a read field is worth: the value, or the failure of a field that is not there. */
export const found = (value: unknown, path: string): unknown => (value === undefined ? missing(path) : value);

/** Reads a path below a value: own properties of objects only, undefined when anything on the way is missing. */
export function read(root: unknown, path: FieldPath, from: number): unknown {
  let value = root;
  for (let i = from; i < path.length; i++) {
    const key = path[i] ?? "";
    if (!isFields(value) || !Object.hasOwn(value, key)) return undefined;
    value = value[key];
  }
  return value;
}

export function select(operand: unknown, key: string): unknown {
  if (operand instanceof Failure) return operand;
  return isFields(operand) && Object.hasOwn(operand, key) ? found(operand[key], key) : missing(key);
}

export function hasField(operand: unknown, key: string): unknown {
  if (operand instanceof Failure) return operand;
  return isFields(operand) && Object.hasOwn(operand, key) && operand[key] !== undefined;
}

/** `list[0]`, `map["key"]`. */
export function at(operand: unknown, index: unknown): unknown {
  if (operand instanceof Failure) return operand;
  if (index instanceof Failure) return index;
  if (Array.isArray(operand)) return item(operand, index);
  if (isFields(operand)) return typeof index === "string" ? select(operand, index) : wrongType("map[…]", index);
  return wrongType("[…]", operand);
}

function item(list: readonly unknown[], index: unknown): unknown {
  if (kindOf(index) !== "int") return wrongType("list[…]", index);
  const i = index as number;
  if (i >= 0 && i < list.length) return found(list[i], `item ${i}`);
  return new Failure("Range", `index ${i} of a list of ${list.length}`);
}

export function list(...items: readonly unknown[]): unknown {
  for (const value of items) if (value instanceof Failure) return value;
  return items;
}

/** Keys and values by turns. Without a prototype, so that no key means more than itself. */
export function map(...flat: readonly unknown[]): unknown {
  const fields = Object.create(null) as Record<string, unknown>;
  if (flat.length > MAX_ITEMS) return new Failure("TooLarge", `a map of more than ${MAX_ITEMS / 2} entries`);
  for (let i = 0; i < flat.length; i += 2) {
    const [key, value] = [flat[i], flat[i + 1]];
    if (key instanceof Failure) return key;
    if (value instanceof Failure) return value;
    if (typeof key !== "string") return wrongType("a map's key", key);
    if (key === "__proto__" || key in fields)
      return new Failure("Range", `the key "${key}" is not allowed or twice in a map`);
    fields[key] = value;
  }
  return fields;
}
