import { deepEqual, isMap } from "../json-value.ts";
import type { Schema } from "../schema/structural.ts";
import { fieldSchema, resolve } from "../schema/structural.ts";
import type { FieldSet } from "./field-set.ts";
import { elementStep, emptySet, insert, isAtomicMap, listKind } from "./field-set.ts";

export interface Comparison {
  readonly added: FieldSet;
  readonly removed: FieldSet;
  readonly modified: FieldSet;
}

interface Sides {
  before: unknown;
  after: unknown;
  schema: Schema | undefined;
}

/** Which paths differ between two objects, list elements matched by their keys. */
export function compare(before: unknown, after: unknown, schema: Schema | undefined): Comparison {
  const out: Comparison = { added: emptySet(), removed: emptySet(), modified: emptySet() };
  walk({ before, after, schema: resolve(schema) }, [], out);
  return out;
}

const isBlank = (value: unknown): boolean =>
  value === undefined ||
  value === null ||
  (Array.isArray(value) ? value.length === 0 : isMap(value) && Object.keys(value).length === 0);

/** The parts of a container by step, or undefined for what is compared as one value. */
function parts(sides: Sides): Map<string, Sides> | undefined {
  const { before, after, schema } = sides;
  const isMapLike =
    [before, after].some(isMap) && [before, after].every((v) => isMap(v) || v === undefined || v === null);
  if (isMapLike) return isAtomicMap(schema) ? undefined : fieldsOf(before, after, schema);
  const lists =
    [before, after].some(Array.isArray) &&
    [before, after].every((v) => Array.isArray(v) || v === undefined || v === null);
  return lists && listKind(schema).kind !== "atomic" ? elementsOf(before, after, schema) : undefined;
}

function fieldsOf(before: unknown, after: unknown, schema: Schema | undefined): Map<string, Sides> {
  const left = isMap(before) ? before : {};
  const right = isMap(after) ? after : {};
  const keys = new Set([...Object.keys(left), ...Object.keys(right)]);
  return new Map(
    [...keys].map((key) => [`f:${key}`, { before: left[key], after: right[key], schema: fieldSchema(schema, key) }]),
  );
}

function elementsOf(before: unknown, after: unknown, schema: Schema | undefined): Map<string, Sides> {
  const item = resolve(schema?.items);
  const out = new Map<string, Sides>();
  for (const element of Array.isArray(before) ? before : []) {
    out.set(elementStep(element, schema), { before: element, after: undefined, schema: item });
  }
  for (const element of Array.isArray(after) ? after : []) {
    const step = elementStep(element, schema);
    out.set(step, { before: out.get(step)?.before, after: element, schema: item });
  }
  return out;
}

function walk(sides: Sides, path: readonly string[], out: Comparison): void {
  const { before, after } = sides;
  if (before === undefined && after === undefined) return;
  const inner = isBlank(before) && isBlank(after) ? undefined : parts(sides);
  if (inner !== undefined) for (const [step, child] of inner) walk(child, [...path, step], out);
  if (path.length === 0) return;
  if (before === undefined) insert(out.added, path);
  else if (after === undefined) insert(out.removed, path);
  else if (inner === undefined && !deepEqual(before, after)) insert(out.modified, path);
}
