import { deepEqual, isMap } from "../json-value.ts";
import type { JsonMap } from "../json-value.ts";
import type { Schema } from "../schema/structural.ts";
import { fieldSchema, resolve } from "../schema/structural.ts";

const DELETE_PRIMITIVES = "$deleteFromPrimitiveList/";
const ELEMENT_ORDER = "$setElementOrder/";
const isDirective = (key: string): boolean => key.startsWith("$");

/**
 * Strategic merge patch: lists with a merge key merge by it, directives ($patch, $deleteFromPrimitiveList, $setElementOrder,
 * $retainKeys) say what merging cannot. https://github.com/kubernetes/community/blob/master/contributors/devel/sig-api-machinery/strategic-merge-patch.md
 */
export function strategicMergePatch(target: JsonMap, patch: JsonMap, schema: Schema | undefined): JsonMap {
  if (patch["$patch"] === "replace") return withoutDirectives(patch);
  if (patch["$patch"] === "delete") return {};
  const out: JsonMap = retained(target, patch);
  for (const [key, value] of Object.entries(patch)) {
    if (isDirective(key)) continue;
    const field = fieldSchema(schema, key);
    if (value === null) delete out[key];
    else if (isMap(value)) out[key] = patchedMap(out[key], value, field);
    else if (Array.isArray(value)) out[key] = patchedList(out[key], value, field);
    else out[key] = value;
  }
  for (const [key, value] of Object.entries(patch)) {
    if (key.startsWith(DELETE_PRIMITIVES)) withoutPrimitives(out, key.slice(DELETE_PRIMITIVES.length), value);
    if (key.startsWith(ELEMENT_ORDER)) {
      const name = key.slice(ELEMENT_ORDER.length);
      reorder(out, name, { order: value, schema: fieldSchema(schema, name) });
    }
  }
  return out;
}

function patchedMap(current: unknown, patch: JsonMap, schema: Schema | undefined): unknown {
  return strategicMergePatch(isMap(current) ? current : {}, patch, schema);
}

function withoutDirectives(map: JsonMap): JsonMap {
  return Object.fromEntries(Object.entries(map).filter(([key]) => !isDirective(key)));
}

/** `$retainKeys` drops every field that it does not list (used by unions such as a volume's source). */
function retained(target: JsonMap, patch: JsonMap): JsonMap {
  const keep = patch["$retainKeys"];
  if (!Array.isArray(keep)) return { ...target };
  return Object.fromEntries(Object.entries(target).filter(([key]) => keep.includes(key)));
}

function mergeKey(schema: Schema | undefined): string | undefined {
  return schema?.["x-kubernetes-patch-strategy"]?.includes("merge") === true
    ? schema["x-kubernetes-patch-merge-key"]
    : undefined;
}

function patchedList(current: unknown, patch: readonly unknown[], schema: Schema | undefined): unknown[] {
  const existing: unknown[] = Array.isArray(current) ? current : [];
  const merges = schema?.["x-kubernetes-patch-strategy"]?.includes("merge") === true;
  if (!merges || patch.some((item) => isMap(item) && item["$patch"] === "replace")) {
    return patch.filter((item) => !(isMap(item) && item["$patch"] === "replace"));
  }
  const key = mergeKey(schema);
  if (key === undefined) return [...existing, ...patch.filter((item) => !existing.some((e) => deepEqual(e, item)))];
  return mergedByKey(existing, patch, { key, item: resolve(schema?.items) });
}

function mergedByKey(
  existing: readonly unknown[],
  patch: readonly unknown[],
  by: { key: string; item: Schema | undefined },
): unknown[] {
  const out = [...existing];
  for (const item of patch) {
    if (!isMap(item)) continue;
    const at = out.findIndex((e) => isMap(e) && deepEqual(e[by.key], item[by.key]));
    const found = at < 0 ? undefined : out[at];
    if (item["$patch"] === "delete") {
      if (at >= 0) out.splice(at, 1);
    } else if (isMap(found)) {
      out[at] = strategicMergePatch(found, item, by.item);
    } else {
      out.push(strategicMergePatch({}, item, by.item));
    }
  }
  return out;
}

function withoutPrimitives(out: JsonMap, name: string, removed: unknown): void {
  const list = out[name];
  if (!Array.isArray(list) || !Array.isArray(removed)) return;
  out[name] = list.filter((item) => !removed.some((gone) => deepEqual(gone, item)));
}

/** Listed elements take the listed order; the others keep their place relative to the element before them. */
function reorder(out: JsonMap, name: string, by: { order: unknown; schema: Schema | undefined }): void {
  const list = out[name];
  const { order } = by;
  if (!Array.isArray(list) || !Array.isArray(order)) return;
  const key = mergeKey(by.schema);
  const same = (a: unknown, b: unknown): boolean =>
    key === undefined ? deepEqual(a, b) : isMap(a) && isMap(b) && deepEqual(a[key], b[key]);
  const rank = (item: unknown): number => order.findIndex((wanted) => same(wanted, item));
  const listed = list.filter((item) => rank(item) >= 0).toSorted((a, b) => rank(a) - rank(b));
  const slots = list.map((item) => rank(item) >= 0);
  out[name] = list.map((item, i) => (slots[i] === true ? listed.shift() : item));
}
