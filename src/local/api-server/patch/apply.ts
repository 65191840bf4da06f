import { isMap } from "../json-value.ts";
import type { JsonMap } from "../json-value.ts";
import type { Schema } from "../schema/structural.ts";
import { fieldSchema, resolve } from "../schema/structural.ts";
import type { FieldSet } from "./field-set.ts";
import { at, elementStep, has, isAtomicMap, isEmpty, listKind, paths } from "./field-set.ts";

/** Lays a configuration over the live object; lists with keys merge element by element. */
export function overlay(live: unknown, config: unknown, outer: Schema | undefined): unknown {
  const schema = resolve(outer);
  if (isMap(live) && isMap(config)) {
    if (isAtomicMap(schema)) return config;
    const out: JsonMap = { ...live };
    for (const [key, value] of Object.entries(config)) out[key] = overlay(live[key], value, fieldSchema(schema, key));
    return out;
  }
  if (Array.isArray(live) && Array.isArray(config) && listKind(schema).kind !== "atomic") {
    return overlayList(live, config, schema);
  }
  return config;
}

/** Elements of the configuration in its own order; live ones that it does not name stay before those they stood before. */
function overlayList(live: readonly unknown[], config: readonly unknown[], schema: Schema | undefined): unknown[] {
  const step = (item: unknown): string => elementStep(item, schema);
  const wanted = new Map(config.map((item) => [step(item), item]));
  const pending = [...live];
  const out: unknown[] = [];
  const takeUnnamed = (): void => {
    while (pending.length > 0 && !wanted.has(step(pending[0]))) out.push(pending.shift());
  };
  for (const [key, item] of wanted) {
    takeUnnamed();
    const found = pending.findIndex((candidate) => step(candidate) === key);
    const current = found < 0 ? undefined : pending.splice(found, 1)[0];
    out.push(current === undefined ? item : overlay(current, item, resolve(schema?.items)));
  }
  return [...out, ...pending];
}

/** Removes what the manager applied last time, does not state now, and nobody else owns. */
export function removeAbandoned(merged: JsonMap, last: FieldSet, owned: FieldSet, schema: Schema): JsonMap {
  const root = structuredClone(merged);
  const isOwned = (path: readonly string[]): boolean => {
    const node = at(owned, path);
    return node !== undefined && !isEmpty(node);
  };
  // Outermost first: an element goes as a whole, while its keys still say which one it is.
  for (const path of paths(last).toSorted((x, y) => x.length - y.length)) {
    if (has(owned, path) || isOwned(path) || isKeyField(path)) continue;
    removeAt(root, path, schema);
    removeEmptied(root, path, { schema, isOwned });
  }
  return root;
}

/** The fields by which an element is found go with the element or not at all. */
function isKeyField(path: readonly string[]): boolean {
  const [element = "", field = ""] = path.slice(-2);
  if (!element.startsWith("k:")) return false;
  const keys: unknown = JSON.parse(element.slice(2));
  return isMap(keys) && field.slice(2) in keys;
}

function removeEmptied(
  root: JsonMap,
  path: readonly string[],
  by: { schema: Schema; isOwned: (path: readonly string[]) => boolean },
): void {
  for (let length = path.length - 1; length > 0; length -= 1) {
    const parent = path.slice(0, length);
    const value = locate(root, parent, by.schema).value;
    const isEmptied = isMap(value) ? Object.keys(value).length === 0 : Array.isArray(value) && value.length === 0;
    if (!isEmptied || by.isOwned(parent)) return;
    removeAt(root, parent, by.schema);
  }
}

interface Place {
  parent: unknown;
  key: string | number;
  value: unknown;
}

function locate(root: unknown, path: readonly string[], rootSchema: Schema): Place {
  let place: Place = { parent: undefined, key: "", value: root };
  let schema: Schema | undefined = resolve(rootSchema);
  for (const step of path) {
    const parent = place.value;
    if (step.startsWith("f:")) {
      const key = step.slice(2);
      place = { parent, key, value: isMap(parent) ? parent[key] : undefined };
      schema = fieldSchema(schema, key);
    } else {
      const list: readonly unknown[] = Array.isArray(parent) ? parent : [];
      const owner = schema;
      const key = list.findIndex((item) => elementStep(item, owner) === step);
      place = { parent, key, value: list[key] };
      schema = resolve(schema?.items);
    }
  }
  return place;
}

function removeAt(root: JsonMap, path: readonly string[], schema: Schema): void {
  const { parent, key } = locate(root, path, schema);
  if (Array.isArray(parent)) {
    if (typeof key === "number" && key >= 0) parent.splice(key, 1);
  } else if (isMap(parent)) {
    delete parent[key];
  }
}
