import type { RecordHeader } from "../connectors/connector.ts";

/**
 * Bytes of a key: its JSON. `"5"` and `5` are different keys, and a key that arrives as JSON text can be used without
 * decoding it. Only values with one spelling are keys: strings, finite numbers, booleans, null, and lists of them.
 */
export function keyText(value: unknown): string | undefined {
  return isKey(value) ? JSON.stringify(value) : undefined;
}

function isKey(value: unknown): boolean {
  if (Array.isArray(value)) return value.every(isKey);
  if (typeof value === "number") return Number.isFinite(value);
  return value === null || typeof value === "string" || typeof value === "boolean";
}

/** Key of an outgoing record: text as it is, anything else as JSON; undefined for no key. */
export function recordKey(value: unknown): string | undefined {
  if (value === null || value === undefined) return undefined;
  return typeof value === "string" ? value : JSON.stringify(value);
}

/** Key by which a record takes the place of an older one; undefined for a record that takes nobody's. */
export const successorKey = (value: unknown): string | undefined => (value === null ? undefined : keyText(value));

/** Headers of an outgoing record: what is null is left out. */
export const recordHeaders = (headers: readonly RecordHeader[]): readonly RecordHeader[] =>
  headers.filter(([, value]) => value !== null && value !== undefined);
