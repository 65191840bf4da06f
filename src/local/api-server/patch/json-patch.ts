import { deepEqual, isMap } from "../json-value.ts";
import { StatusError, badRequest } from "../status-error.ts";

interface Operation {
  op: string;
  path: string;
  from?: string;
  value?: unknown;
}
type Container = Record<string, unknown> | unknown[];

const MOST_OPERATIONS = 10_000;

function segments(pointer: string): string[] {
  if (pointer === "") return [];
  if (!pointer.startsWith("/")) throw refused(`invalid JSON pointer: ${pointer}`);
  return pointer
    .slice(1)
    .split("/")
    .map((part) => part.replaceAll("~1", "/").replaceAll("~0", "~"));
}

/** The real server keeps the reason to itself. */
function refused(_reason: string): StatusError {
  return new StatusError(422, "Invalid", "the server rejected our request due to an error in our request", {});
}

function child(container: unknown, key: string): unknown {
  if (Array.isArray(container)) return container[Number(key)];
  return isMap(container) && Object.hasOwn(container, key) ? container[key] : undefined;
}

function parentOf(root: unknown, path: readonly string[], operation: Operation): Container {
  let at = root;
  for (const key of path.slice(0, -1)) at = child(at, key);
  if (!Array.isArray(at) && !isMap(at))
    throw refused(`${operation.op} operation does not apply: doc is missing path: "${operation.path}": missing value`);
  return at;
}

function read(root: unknown, pointer: string, operation: Operation): unknown {
  let at = root;
  for (const key of segments(pointer)) {
    at = child(at, key);
    if (at === undefined)
      throw refused(`${operation.op} operation does not apply: doc is missing path: "${pointer}": missing value`);
  }
  return at;
}

function add(root: unknown, pointer: string, value: unknown, operation: Operation): unknown {
  const path = segments(pointer);
  const key = path.at(-1);
  if (key === undefined) return value;
  const parent = parentOf(root, path, operation);
  if (!Array.isArray(parent)) {
    parent[key] = value;
    return root;
  }
  const index = key === "-" ? parent.length : Number(key);
  if (!Number.isInteger(index) || index < 0 || index > parent.length)
    throw refused(`Unable to access invalid index: ${key}`);
  parent.splice(index, 0, value);
  return root;
}

function remove(root: unknown, pointer: string, operation: Operation): unknown {
  read(root, pointer, operation);
  const path = segments(pointer);
  const key = path.at(-1);
  if (key === undefined) throw refused("the whole document cannot be removed");
  const parent = parentOf(root, path, operation);
  if (Array.isArray(parent)) parent.splice(Number(key), 1);
  else delete parent[key];
  return root;
}

function replace(root: unknown, operation: Operation): unknown {
  read(root, operation.path, operation);
  const path = segments(operation.path);
  const key = path.at(-1);
  if (key === undefined) return operation.value;
  const parent = parentOf(root, path, operation);
  if (Array.isArray(parent)) parent[Number(key)] = operation.value;
  else parent[key] = operation.value;
  return root;
}

function test(root: unknown, operation: Operation): unknown {
  if (deepEqual(read(root, operation.path, operation), operation.value)) return root;
  throw refused(`testing value ${operation.path} failed`);
}

const apply: Readonly<Record<string, (root: unknown, operation: Operation) => unknown>> = {
  add: (root, operation) => add(root, operation.path, operation.value, operation),
  remove: (root, operation) => remove(root, operation.path, operation),
  replace,
  test,
  move: (root, operation) => {
    const value = read(root, operation.from ?? "", operation);
    return add(remove(root, operation.from ?? "", operation), operation.path, value, operation);
  },
  copy: (root, operation) =>
    add(root, operation.path, structuredClone(read(root, operation.from ?? "", operation)), operation),
};

function operationsIn(patch: unknown): Operation[] {
  if (!Array.isArray(patch)) throw badRequest("error decoding patch: a JSON patch is a list of operations");
  if (patch.length > MOST_OPERATIONS) {
    throw new StatusError(
      413,
      "RequestEntityTooLarge",
      `The allowed maximum operations in a JSON patch is ${MOST_OPERATIONS}, got ${patch.length}`,
    );
  }
  return patch.map((operation) => {
    if (!isMap(operation) || typeof operation["op"] !== "string" || typeof operation["path"] !== "string") {
      throw badRequest("error decoding patch: each operation has an op and a path");
    }
    const { op, path, from, value } = operation;
    return { op, path, value: value ?? null, ...(typeof from === "string" ? { from } : {}) };
  });
}

/** RFC 6902. */
export function jsonPatch(target: unknown, patch: unknown): unknown {
  let root = structuredClone(target);
  for (const operation of operationsIn(patch)) {
    const step = apply[operation.op];
    if (step === undefined) throw refused(`Unexpected kind: ${operation.op}`);
    root = step(root, operation);
  }
  return root;
}
