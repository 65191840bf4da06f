import type { PrintedTexts } from "./printed.ts";
import { isWithin } from "../planner/field-path.ts";

/** What a generated chain knows of the event at one point: where each field is, in terms of its local variables. */
export type Shape =
  /** A record as it came; asking for a field's slot makes the projector look for it. */
  | { readonly kind: "record"; readonly slot: (path: readonly string[]) => Slot }
  | { readonly kind: "built"; readonly root: Tree }
  /** A value that is all there is: an element of a list. */
  | { readonly kind: "value"; readonly leaf: Leaf }
  /** What another has but for some fields: the others are read where they were, and `whole` is made only for who takes all. */
  | {
      readonly kind: "rest";
      readonly of: Shape;
      readonly without: readonly (readonly string[])[];
      readonly whole: () => Leaf;
    }
  /** Two records side by side, as `left` and `right`. */
  | { readonly kind: "pair"; readonly left: Shape; readonly right: Shape };

export type Tree = { readonly kind: "tree"; readonly fields: ReadonlyMap<string, Tree | Leaf> };

export interface Leaf {
  readonly kind: "leaf";
  /** JavaScript expression of the value; `undefined` only where the field may be missing. */
  readonly js: string;
  /** The value's own JSON bytes, where it has some. */
  readonly slot: Slot | undefined;
  /** A number that may be printed without looking at its type. */
  readonly number: boolean;
  /** An integer that is the same for all rows of a window: where its JSON is kept. */
  readonly printed?: PrintedTexts;
  /** JavaScript expression of a number that it is; not finite, where it is null. */
  readonly numeric?: string;
  /** JavaScript expression of its JSON text, where that is what is held; undefined of that is null. */
  readonly json?: string;
  /** JavaScript condition under which the field is there at all; always, where there is none. */
  readonly present?: string;
}

/** Names of the variables that hold a scanned range: buffer, start, end, kind. */
export interface Slot {
  readonly buffer: string;
  readonly start: string;
  readonly end: string;
  readonly type: string;
  /** JavaScript expression of the decoded value, decoded on first use. */
  readonly js: string;
  /** Its bytes are what JSON.stringify gives: those of a key in state. */
  readonly canonical?: true;
}

/** JavaScript condition under which a slot's bytes are those of a key: of a plain text or integer. */
export const isCanonical = ({ type }: Slot): string => `(${type} === 1 || ${type} === 3)`;

/** Names that the projector can compare as bytes; below any other name the value is decoded. */
const PLAIN_NAME = /^[ !#-[\]-~]+$/;

export const leaf = (js: string, slot?: Slot, number = false): Leaf => ({ kind: "leaf", js, slot, number });

/** A leaf under other conditions: what a select takes may be missing, what a map has checked is there. */
export const withPresence = ({ js, slot, number, printed }: Leaf, present?: string): Leaf => ({
  ...leaf(js, slot, number),
  ...(printed === undefined ? {} : { printed }),
  ...(present === undefined ? {} : { present }),
});

export function tree(fields: readonly { readonly path: readonly string[]; readonly leaf: Leaf | Tree }[]): Tree {
  const groups = Map.groupBy(fields, (f) => f.path[0] as string);
  const children = [...groups].map(([name, members]): [string, Tree | Leaf] => {
    const [only] = members;
    if (members.length === 1 && only?.path.length === 1) return [name, only.leaf];
    return [name, tree(members.map((m) => ({ path: m.path.slice(1), leaf: m.leaf })))];
  });
  return { kind: "tree", fields: new Map(children) };
}

/** The place of a path in a shape: a leaf, an object that is being built, or what is left of the path below a leaf. */
export type Place =
  | { readonly kind: "missing" }
  | { readonly kind: "tree"; readonly tree: Tree }
  | { readonly kind: "leaf"; readonly leaf: Leaf; readonly rest: readonly string[] };

/** Condition under which a field is there; an object is there if one of its fields is. */
export function presence(node: Tree | Leaf): string | undefined {
  if (node.kind === "leaf") return node.present;
  const conditions = [...node.fields.values()].map(presence);
  return conditions.length === 0 || conditions.includes(undefined) ? undefined : `(${conditions.join(" || ")})`;
}

export function locate(shape: Shape, path: readonly string[]): Place {
  if (shape.kind === "value") return { kind: "leaf", leaf: shape.leaf, rest: path };
  if (shape.kind === "built") return locateBuilt(shape.root, path);
  if (shape.kind === "pair") return locatePair(shape, path);
  if (shape.kind === "rest") return locateRest(shape, path);
  const odd = path.findIndex((name) => !PLAIN_NAME.test(name));
  const length = odd < 0 ? path.length : odd;
  const slot = shape.slot(path.slice(0, length));
  return { kind: "leaf", leaf: leaf(slot.js, slot), rest: path.slice(length) };
}

type RestShape = Extract<Shape, { kind: "rest" }>;

function locateRest({ of, without, whole }: RestShape, path: readonly string[]): Place {
  if (without.some((gone) => isWithin(path, gone))) return { kind: "missing" };
  const hasLost = without.some((gone) => isWithin(gone, path));
  return hasLost ? { kind: "leaf", leaf: whole(), rest: path } : locate(of, path);
}

type PairShape = Extract<Shape, { kind: "pair" }>;

function locatePair(pair: PairShape, [side, ...path]: readonly string[]): Place {
  if (side === undefined) return { kind: "tree", tree: pairTree(pair) };
  return side === "left" || side === "right" ? locate(pair[side], path) : { kind: "missing" };
}

/** A pair as the object that it is to others. */
export function pairTree({ left, right }: PairShape): Tree {
  const whole = (shape: Shape): Leaf | Tree => {
    const place = locate(shape, []);
    return place.kind === "leaf" ? place.leaf : { kind: "tree", fields: new Map() };
  };
  return {
    kind: "tree",
    fields: new Map([
      ["left", whole(left)],
      ["right", whole(right)],
    ]),
  };
}

function locateBuilt(root: Tree, path: readonly string[]): Place {
  let at: Tree | Leaf | undefined = root;
  for (const [i, name] of path.entries()) {
    at = at.fields.get(name);
    if (at === undefined) return { kind: "missing" };
    if (at.kind === "leaf") return { kind: "leaf", leaf: at, rest: path.slice(i + 1) };
  }
  return { kind: "tree", tree: at };
}

/** JavaScript expression of the value at a path; `undefined` where it is missing. */
export function readSource(shape: Shape, path: readonly string[]): string {
  const place = locate(shape, path);
  switch (place.kind) {
    case "missing":
      return "undefined";
    case "tree":
      return path.length === 0 ? treeSource(place.tree) : maybe(presence(place.tree), treeSource(place.tree));
    case "leaf":
      return place.rest.length === 0 ? place.leaf.js : `R.below(${place.leaf.js}, ${JSON.stringify(place.rest)})`;
  }
}

function treeSource(node: Tree): string {
  const optional = [...node.fields.values()].some((child) => presence(child) !== undefined);
  const fields = [...node.fields].map(([name, child]) => {
    const value = child.kind === "leaf" ? child.js : maybe(presence(child), treeSource(child));
    return `[${JSON.stringify(name)}]: ${value}`;
  });
  return optional ? `R.defined({ ${fields.join(", ")} })` : `({ ${fields.join(", ")} })`;
}

const maybe = (condition: string | undefined, value: string): string =>
  condition === undefined ? value : `(${condition} ? ${value} : undefined)`;
