import { RowRefused, type Column } from "./session.ts";

/** A record on its way into a table. */
export interface SqlRow {
  /** The record as it came, a JSON object. */
  readonly text: string;
  readonly fields: Readonly<Record<string, unknown>>;
  /** The how-manieth record of this sink since its start. */
  readonly number: number;
}

/** Rows with the same fields in the same order go into one statement. */
export interface Shape {
  readonly columns: readonly Column[];
  readonly keyColumns: readonly string[];
}

/** What is known of a target table, and which records fit it. */
export interface Target {
  /** Parses a record; throws RowRefused when it fits no table or not this one. */
  row(text: string | undefined, number: number): { row: SqlRow; shape: Shape };
  readonly keyColumns: readonly string[];
}

/** A JSON text with a number that a double may not hold. */
const LONG_NUMBER = /\d{16}/;

export function targetOf(columns: readonly Column[], keyColumns: readonly string[]): Target {
  const byName = new Map(columns.map((c) => [c.name, c]));
  const shapes = new Map<string, Shape>();
  const shapeOf = (names: readonly string[]): Shape => {
    const id = names.join("\0");
    let shape = shapes.get(id);
    if (shape === undefined) {
      shape = { columns: names.map((name) => writable(byName, name)), keyColumns };
      refuseMissing(columns, keyColumns, new Set(names));
      if (shapes.size >= MOST_SHAPES) shapes.clear();
      shapes.set(id, shape);
    }
    return shape;
  };
  return {
    keyColumns,
    row: (text, number) => {
      const fields = objectOf(text);
      return { row: { text: text ?? "", fields, number }, shape: shapeOf(Object.keys(fields)) };
    },
  };
}

/** Records that differ in their fields at will must not fill the memory. */
const MOST_SHAPES = 1_000;

function objectOf(text: string | undefined): Readonly<Record<string, unknown>> {
  if (text === undefined) throw new RowRefused("it has no value: a tombstone is no row", undefined, undefined);
  let value: unknown;
  try {
    value = LONG_NUMBER.test(text) ? JSON.parse(text, keepLong as Parameters<typeof JSON.parse>[1]) : JSON.parse(text);
  } catch (e) {
    throw new RowRefused("it is not JSON", undefined, e);
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new RowRefused("it is not a JSON object, whose fields are the columns", undefined, undefined);
  }
  return value as Readonly<Record<string, unknown>>;
}

/** `JSON.rawJSON` and the third argument are of ECMAScript 2026; TypeScript's library does not know them yet. */
const rawJson = (JSON as unknown as { rawJSON(text: string): unknown }).rawJSON;
function keepLong(_key: string, value: unknown, { source }: { source?: string }): unknown {
  return typeof value === "number" && source !== undefined && source.length > 15 ? rawJson(source) : value;
}

function writable(byName: ReadonlyMap<string, Column>, name: string): Column {
  const column = byName.get(name);
  if (column === undefined) {
    const known = [...byName.keys()].join(", ").slice(0, 300);
    const fix = "add the column, or leave the field out with select, drop or map";
    throw new RowRefused(`the table has no column "${name}", only ${known}; ${fix}`, name, undefined);
  }
  if (column.generated) {
    throw new RowRefused(`the database makes column "${name}" itself; leave the field out`, name, undefined);
  }
  return column;
}

function refuseMissing(columns: readonly Column[], keys: readonly string[], has: ReadonlySet<string>): void {
  const missing = columns.find((c) => !has.has(c.name) && (c.required || keys.includes(c.name)));
  if (missing === undefined) return;
  const why = keys.includes(missing.name) ? "is in keyColumns" : "has no default and takes no null";
  const fix = "add the field with map, or give the column a default";
  throw new RowRefused(`it has no field "${missing.name}", and the column ${why}; ${fix}`, missing.name, undefined);
}

/** Of rows with the same key only the last counts, and a statement may meet a row only once. */
export function lastOfEachKey(rows: readonly SqlRow[], keyColumns: readonly string[]): readonly SqlRow[] {
  if (keyColumns.length === 0) return rows;
  const last = new Map(rows.map((row) => [JSON.stringify(keyColumns.map((c) => row.fields[c])), row]));
  return last.size === rows.length ? rows : [...last.values()];
}
