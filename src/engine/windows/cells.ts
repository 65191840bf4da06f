import type { AggregateFunction, PlanAggregate, PlanNode } from "../plan.ts";

export type WindowNode = Extract<PlanNode, { kind: "windowAggregate" }>;
export type KeyedAggregateNode = Extract<PlanNode, { kind: "keyedAggregate" }>;

/** What an entry holds beside its cells: JSON text, or nothing yet. */
export type Held = string | undefined;

/**
 * Where each aggregate lives in an entry: numbers in `cells` doubles of a typed array, first and last as JSON text in
 * `texts`. NaN in sum, min and max means "no value yet"; a value itself is never NaN.
 */
export interface CellLayout {
  readonly cells: number;
  readonly texts: number;
  /** Cells of a new entry. */
  readonly initial: Float64Array;
  /** In the user's order; places are given in the order of the names, so that reordering YAML keeps the state. */
  readonly slots: readonly Slot[];
}

export interface Slot {
  readonly name: string;
  readonly fn: AggregateFunction;
  readonly arg: string | null;
  /** First cell, or place among the texts for first and last. */
  readonly at: number;
  /** Cell with the place in the order of arrival, for first and last where entries are merged; else −1. */
  readonly order: number;
}

/** Cells of a new entry by function; none for what is kept as text. */
const NEW_CELLS: Readonly<Record<AggregateFunction, readonly number[]>> = {
  count: [0],
  sum: [Number.NaN],
  avg: [0, 0],
  min: [Number.NaN],
  max: [Number.NaN],
  first: [],
  last: [],
};

export const isText = (fn: AggregateFunction): boolean => NEW_CELLS[fn].length === 0;

/** `own`: cells before those of the aggregates. `merged`: entries of one key are merged later, so order must be known. */
export function cellLayout(
  aggregates: readonly PlanAggregate[],
  { own = 0, merged = false }: { readonly own?: number; readonly merged?: boolean } = {},
): CellLayout {
  const initial: number[] = Array.from({ length: own }, () => 0);
  const places = new Map<string, { at: number; order: number }>();
  let texts = 0;
  for (const { name, fn } of aggregates.toSorted((a, b) => (a.name < b.name ? -1 : 1))) {
    const ordered = merged && (fn === "first" || fn === "last");
    places.set(name, { at: isText(fn) ? texts++ : initial.length, order: ordered ? initial.length : -1 });
    initial.push(...(ordered ? [0] : NEW_CELLS[fn]));
  }
  return {
    cells: initial.length,
    texts,
    initial: Float64Array.from(initial),
    slots: aggregates.map(({ name, fn, arg }) => ({ name, fn, arg, ...(places.get(name) ?? { at: 0, order: -1 }) })),
  };
}

/** Windows whose result is merged of several entries. */
export const merges = ({ window }: WindowNode): boolean => window.type !== "tumbling";

/** Cells that a state puts before those of the aggregates: a table's time and trigger, a session's start. */
export function layoutOf(node: WindowNode | KeyedAggregateNode): CellLayout {
  if (node.kind === "keyedAggregate") return cellLayout(node.aggregates, { own: 2 });
  return cellLayout(node.aggregates, { own: node.window.type === "session" ? 1 : 0, merged: merges(node) });
}

/** What must be equal for saved state to fit: the key, the window, the aggregates, and what a shard is. */
export function stateSignature(node: WindowNode | KeyedAggregateNode): string {
  const aggregates = node.aggregates
    .toSorted((a, b) => (a.name < b.name ? -1 : 1))
    .map((a) => `${a.name}=${a.fn}(${a.arg ?? ""})`);
  const cut = node.kind === "windowAggregate" ? `window=${numbers(node.window)}` : `trigger=${numbers(node.trigger)}`;
  return `key=${node.key};shards=${node.keying};${cut};${aggregates.join(";")}`;
}

/** `tumbling/10000/0`: the type and its numbers, in the order of the plan. */
function numbers({ type, ...fields }: { readonly type: string }): string {
  return [type, ...Object.values(fields)].join("/");
}
