import { isFields } from "../expression/runtime/kind.ts";

/** A value without the fields at these paths; what lies on the way to them is copied, the rest is shared. */
export function without(value: unknown, paths: readonly (readonly string[])[]): unknown {
  return paths.reduce(withoutOne, value);
}

function withoutOne(value: unknown, [name = "", ...below]: readonly string[]): unknown {
  if (!isFields(value) || !Object.hasOwn(value, name)) return value;
  const fields = Object.entries(value);
  if (below.length === 0) return Object.fromEntries(fields.filter(([field]) => field !== name));
  return Object.fromEntries(
    fields.map(([field, inner]) => (field === name ? [field, withoutOne(inner, below)] : [field, inner])),
  );
}

/** Most bytes of a record, or characters of a message, that a `peek` shows. */
const MAX_SHOWN = 1000;

/** How a tombstone is shown. */
export const NO_VALUE = "(no value)";

export function shownRecord(bytes: Buffer, start: number, end: number): string {
  if (end < start) return NO_VALUE;
  const cut = end - start > MAX_SHOWN;
  return bytes.toString("utf8", start, cut ? start + MAX_SHOWN : end) + (cut ? "…" : "");
}

export function shownMessage(value: unknown): string {
  const text = typeof value === "string" ? value : JSON.stringify(value);
  return text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)}…` : text;
}
