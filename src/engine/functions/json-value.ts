/** What goes into a user's function and comes out of it is JSON, and each side has its own copy. */

const MAX_DEPTH = 100;

/** An event for a function, which may change it: others read the same one. */
export function copied(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map(copied);
  if (!isPlain(value)) return JSON.parse(JSON.stringify(value)) as unknown;
  const copy: Record<string, unknown> = {};
  for (const name of Object.keys(value)) put(copy, name, copied((value as Record<string, unknown>)[name]));
  return copy;
}

/** A copy of what a function gave; throws a TypeError that says where it is no JSON. Fields that are undefined are left out. */
export function jsonCopy(value: unknown, what: string): unknown {
  return copyAt(value, { what, path: [] });
}

interface Place {
  readonly what: string;
  readonly path: string[];
}

function copyAt(value: unknown, place: Place): unknown {
  switch (typeof value) {
    case "string":
    case "boolean":
      return value;
    case "number":
      if (Number.isFinite(value)) return value + 0; // JSON has no −0
      throw refusal(String(value), place);
    case "object":
      return value === null ? null : copyBelow(value, place);
    default:
      throw refusal(value === undefined ? "undefined" : `a ${typeof value}`, place);
  }
}

function copyBelow(value: object, place: Place): unknown {
  if (place.path.length > MAX_DEPTH)
    throw notJson(`${place.what} is nested more than ${MAX_DEPTH} deep, or refers to itself`);
  if (Array.isArray(value)) return value.map((item, i) => below(item, place, String(i)));
  if (!isPlain(value)) throw refusal(`a ${value.constructor?.name ?? "object of a class"}`, place);
  const copy: Record<string, unknown> = {};
  for (const name of Object.keys(value)) {
    const field = (value as Record<string, unknown>)[name];
    if (field !== undefined) put(copy, name, below(field, place, name));
  }
  return copy;
}

function below(value: unknown, place: Place, name: string): unknown {
  if (typeof value === "string" || typeof value === "boolean" || value === null) return value;
  place.path.push(name);
  const copy = copyAt(value, place);
  place.path.pop();
  return copy;
}

const refusal = (found: string, { what, path }: Place): TypeError =>
  notJson(
    `${what} is ${found}${path.length === 0 ? "" : ` at ${path.join(".")}`}; it must be JSON: objects, lists, text, finite numbers, true, false and null`,
  );

/** Its stack begins at the user's call: of a value that is nested deep, the way into it would be all that is left of it. */
function notJson(message: string): TypeError {
  const error = new TypeError(message);
  Error.captureStackTrace(error, jsonCopy);
  return error;
}

function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

/** An own field also where its name means something else to an assignment. */
function put(target: Record<string, unknown>, name: string, value: unknown): void {
  if (name !== "__proto__") target[name] = value;
  else Object.defineProperty(target, name, { value, enumerable: true, configurable: true, writable: true });
}
