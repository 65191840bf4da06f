import { canonical, isMap } from "../json-value.ts";
import type { Schema } from "../schema/structural.ts";
import { fieldSchema, isDeclared, resolve } from "../schema/structural.ts";

/**
 * A set of paths inside an object, as managedFields keeps it. A step is spelled as in FieldsV1: `f:name`, `k:{"key":"value"}`
 * for an element of a keyed list, `v:"value"` for an element of a set.
 * https://github.com/kubernetes-sigs/structured-merge-diff
 */
export interface FieldSet {
  /** The path that ends here is in the set. */
  member: boolean;
  readonly children: Map<string, FieldSet>;
}

export function emptySet(): FieldSet {
  return { member: false, children: new Map() };
}

export function isEmpty(set: FieldSet): boolean {
  return !set.member && [...set.children.values()].every(isEmpty);
}

export function insert(set: FieldSet, path: readonly string[]): void {
  let at = set;
  for (const step of path) {
    const next = at.children.get(step) ?? emptySet();
    at.children.set(step, next);
    at = next;
  }
  at.member = true;
}

export function has(set: FieldSet, path: readonly string[]): boolean {
  return at(set, path)?.member === true;
}

export function at(set: FieldSet, path: readonly string[]): FieldSet | undefined {
  let node: FieldSet | undefined = set;
  for (const step of path) node = node?.children.get(step);
  return node;
}

/** Combines two sets member by member; branches that end up empty are left out. */
function combine(a: FieldSet, b: FieldSet, keep: (inA: boolean, inB: boolean) => boolean): FieldSet {
  const out: FieldSet = { member: keep(a.member, b.member), children: new Map() };
  for (const step of new Set([...a.children.keys(), ...b.children.keys()])) {
    const child = combine(a.children.get(step) ?? emptySet(), b.children.get(step) ?? emptySet(), keep);
    if (!isEmpty(child)) out.children.set(step, child);
  }
  return out;
}

export const union = (a: FieldSet, b: FieldSet): FieldSet => combine(a, b, (x, y) => x || y);
export const intersection = (a: FieldSet, b: FieldSet): FieldSet => combine(a, b, (x, y) => x && y);
export const difference = (a: FieldSet, b: FieldSet): FieldSet => combine(a, b, (x, y) => x && !y);

/** The set without a path and everything below it. */
export function without(set: FieldSet, path: readonly string[]): FieldSet {
  const [step, ...rest] = path;
  if (step === undefined) return emptySet();
  const child = set.children.get(step);
  if (child === undefined) return set;
  const children = new Map(set.children);
  const trimmed = without(child, rest);
  if (isEmpty(trimmed)) children.delete(step);
  else children.set(step, trimmed);
  return { member: set.member, children };
}

/** The set without one path, keeping what is below it. */
export function withoutMember(set: FieldSet, path: readonly string[]): FieldSet {
  const single = emptySet();
  insert(single, path);
  return difference(set, single);
}

export function paths(set: FieldSet, prefix: readonly string[] = []): string[][] {
  const below = [...set.children].flatMap(([step, child]) => paths(child, [...prefix, step]));
  return set.member ? [[...prefix], ...below] : below;
}

export function toFieldsV1(set: FieldSet): Record<string, unknown> {
  const out: Record<string, unknown> = {};
  if (set.member && set.children.size > 0) out["."] = {};
  for (const [step, child] of [...set.children].toSorted(([a], [b]) => (a < b ? -1 : 1))) out[step] = toFieldsV1(child);
  return out;
}

export function fromFieldsV1(fields: unknown): FieldSet {
  const set = emptySet();
  if (!isMap(fields)) return set;
  for (const [step, child] of Object.entries(fields)) {
    if (step === ".") {
      set.member = true;
      continue;
    }
    const node = fromFieldsV1(child);
    // A leaf is written as {}.
    if (node.children.size === 0) node.member = true;
    set.children.set(step, node);
  }
  return set;
}

/** As messages spell it: `.spec.containers[name="a"].image`. */
export function pathText(path: readonly string[]): string {
  return path
    .map((step) => {
      const body = step.slice(2);
      if (step.startsWith("f:")) return `.${body}`;
      if (step.startsWith("v:")) return `[=${body}]`;
      const key: unknown = JSON.parse(body);
      const parts = isMap(key) ? Object.entries(key).map(([k, v]) => `${k}=${JSON.stringify(v)}`) : [];
      return `[${parts.join(",")}]`;
    })
    .join("");
}

/** How a list merges: as one value, by keys, or as a set. */
export type ListKind = { kind: "atomic" } | { kind: "map"; keys: readonly string[] } | { kind: "set" };

export function listKind(schema: Schema | undefined): ListKind {
  const type = schema?.["x-kubernetes-list-type"];
  if (type === "set") return { kind: "set" };
  return type === "map" ? { kind: "map", keys: schema?.["x-kubernetes-list-map-keys"] ?? [] } : { kind: "atomic" };
}

function keyValue(item: unknown, key: string, schema: Schema | undefined): unknown {
  const value = isMap(item) ? item[key] : undefined;
  return value ?? fieldSchema(resolve(schema?.items), key)?.default ?? null;
}

/** The step that leads to an element of a list. */
export function elementStep(item: unknown, schema: Schema | undefined): string {
  const list = listKind(schema);
  if (list.kind !== "map") return `v:${JSON.stringify(item)}`;
  const pairs = list.keys.toSorted().map((key) => [key, keyValue(item, key, schema)] as const);
  return `k:${canonical(Object.fromEntries(pairs.filter(([, value]) => value !== null)))}`;
}

export function isAtomicMap(schema: Schema | undefined): boolean {
  return schema?.["x-kubernetes-map-type"] === "atomic";
}

/** All paths that a configuration states: its leaves, the keys of its maps, the elements of its lists. */
export function setOf(value: unknown, outer: Schema | undefined): FieldSet {
  const set = emptySet();
  const schema = resolve(outer);
  if (isMap(value) && !isAtomicMap(schema)) {
    for (const [key, item] of Object.entries(value)) {
      const child = setOf(item, fieldSchema(schema, key));
      const isLeaf = item === null || (isMap(item) && Object.keys(item).length === 0);
      child.member = child.member || isLeaf || !isDeclared(schema, key);
      set.children.set(`f:${key}`, child);
    }
    return set;
  }
  if (Array.isArray(value) && listKind(schema).kind !== "atomic") {
    for (const item of value) {
      const child = setOf(item, schema?.items);
      child.member = true;
      set.children.set(elementStep(item, schema), child);
    }
    set.member = value.length === 0;
    return set;
  }
  set.member = true;
  return set;
}
