/** JSON as the server handles it: maps of unknown until a schema has looked at them. Stored values are never changed in place. */
export type JsonMap = Record<string, unknown>;

export function isMap(value: unknown): value is JsonMap {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The map at a key, or an empty one that is not part of the parent. */
export function mapAt(parent: unknown, key: string): JsonMap {
  const value = isMap(parent) ? parent[key] : undefined;
  return isMap(value) ? value : {};
}

export function listAt(parent: unknown, key: string): readonly unknown[] {
  const value = isMap(parent) ? parent[key] : undefined;
  return Array.isArray(value) ? value : [];
}

export function textAt(parent: unknown, key: string): string {
  const value = isMap(parent) ? parent[key] : undefined;
  return typeof value === "string" ? value : "";
}

/** Follows field names; undefined where the path leaves the object. */
export function valueAt(root: unknown, path: readonly string[]): unknown {
  let at = root;
  for (const key of path) {
    if (!isMap(at)) return undefined;
    at = at[key];
  }
  return at;
}

/** A copy of the object with the value at the path replaced (or removed, when it is undefined). */
export function withValueAt(root: JsonMap, path: readonly string[], value: unknown): JsonMap {
  const [key, ...rest] = path;
  if (key === undefined) return root;
  const out = { ...root };
  const next = rest.length === 0 ? value : withValueAt(mapAt(root, key), rest, value);
  if (next === undefined) delete out[key];
  else out[key] = next;
  return out;
}

export function deepEqual(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (Array.isArray(a)) {
    return Array.isArray(b) && a.length === b.length && a.every((item, i) => deepEqual(item, b[i]));
  }
  if (!isMap(a) || !isMap(b)) return false;
  const keys = Object.keys(a).filter((key) => a[key] !== undefined);
  const others = Object.keys(b).filter((key) => b[key] !== undefined);
  return keys.length === others.length && keys.every((key) => deepEqual(a[key], b[key]));
}

/** Text that is equal for equal values whatever the order of their keys. */
export function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (!isMap(value)) return JSON.stringify(value) ?? "null";
  const keys = Object.keys(value).filter((key) => value[key] !== undefined);
  return `{${keys
    .toSorted()
    .map((key) => `${JSON.stringify(key)}:${canonical(value[key])}`)
    .join(",")}}`;
}
