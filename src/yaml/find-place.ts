import { getScalarValue } from "js-yaml";
import type { PlaceNode } from "./place-tree.ts";

/** How far a path could be followed. */
export interface Found {
  readonly node: PlaceNode;
  /** What of the path does not exist; "" where all of it does. */
  readonly rest: string;
}

/** Follows a path as problems name it, `spec.pipeline.nodes[hot].filter`: items by their name where they have one. */
export function findPath(root: PlaceNode, path: string, source: string): Found {
  let node = root;
  let rest = path;
  while (rest !== "") {
    const step = rest.startsWith("[") ? item(node, rest, source) : field(node, rest.replace(/^\./, ""));
    if (step === undefined) break;
    ({ node, rest } = step);
  }
  return { node, rest };
}

/** Follows keys and indexes. */
export function findKeys(root: PlaceNode, keys: readonly PropertyKey[]): Found {
  let node = root;
  for (const [i, key] of keys.entries()) {
    const child = typeof key === "number" ? node.items[key] : node.fields.get(String(key));
    if (child === undefined) return { node, rest: keys.slice(i).join(".") };
    node = child;
  }
  return { node, rest: "" };
}

/** Where to point: at a plain value itself, at the key of what has an inside. */
export function startOf(node: PlaceNode): number {
  const hasInside = node.scalar === undefined || node.scalar.valueStart < 0;
  return hasInside ? (node.key ?? node.start) : node.start;
}

/** Keys may have dots in them: the longest that fits wins. */
function field(node: PlaceNode, rest: string): Found | undefined {
  let best: string | undefined;
  for (const name of node.fields.keys()) {
    const after = rest[name.length];
    const fits = rest.startsWith(name) && (after === undefined || after === "." || after === "[");
    if (fits && name.length > (best?.length ?? -1)) best = name;
  }
  if (best === undefined) return undefined;
  return { node: node.fields.get(best) as PlaceNode, rest: rest.slice(best.length) };
}

function item(node: PlaceNode, rest: string, source: string): Found | undefined {
  for (const child of node.items) {
    const label = `[${textOf(child.fields.get("name"), source) ?? ""}]`;
    if (label !== "[]" && rest.startsWith(label)) return { node: child, rest: rest.slice(label.length) };
  }
  const index = /^\[(\d+)\]/.exec(rest);
  const child = index === null ? undefined : node.items[Number(index[1])];
  return child === undefined ? undefined : { node: child, rest: rest.slice(index?.[0].length) };
}

/** The text of a scalar; undefined for anything else. */
export function textOf(node: PlaceNode | undefined, source: string): string | undefined {
  return node?.scalar === undefined || node.scalar.valueStart < 0 ? undefined : getScalarValue(source, node.scalar);
}

/** The first scalar at or below a node whose text passes, and the way to it. */
export function findScalar(
  node: PlaceNode,
  passes: (text: string) => boolean,
  source: string,
): { node: PlaceNode; keys: readonly (string | number)[] } | undefined {
  const text = textOf(node, source);
  if (text !== undefined) return passes(text) ? { node, keys: [] } : undefined;
  for (const [key, child] of [...node.items.entries(), ...node.fields.entries()]) {
    const found = findScalar(child, passes, source);
    if (found !== undefined) return { node: found.node, keys: [key, ...found.keys] };
  }
  return undefined;
}

/** Goes on with a path: `spec.rules[r]` and `["condition"]` are `spec.rules[r].condition`. */
export const pathBelow = (path: string, keys: readonly (string | number)[]): string =>
  path + keys.map((key) => (typeof key === "number" ? `[${key}]` : `.${key}`)).join("");
