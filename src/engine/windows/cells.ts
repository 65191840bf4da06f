import type { AggregateFunction, PlanNode } from "../plan.ts";

export type WindowNode = Extract<PlanNode, { kind: "windowAggregate" }>;

/**
 * Where each aggregate of a window lives in an entry: numbers in `cells` doubles of a typed array, first and last as
 * JSON text in `texts` strings. NaN in sum, min and max means "no value yet"; a value itself is never NaN.
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
}

const width: Readonly<Record<AggregateFunction, number>> = {
  count: 1,
  sum: 1,
  avg: 2,
  min: 1,
  max: 1,
  first: 0,
  last: 0,
};

export const isText = (fn: AggregateFunction): boolean => width[fn] === 0;

export function cellLayout(aggregates: WindowNode["aggregates"]): CellLayout {
  const initial: number[] = [];
  const places = new Map<string, number>();
  let texts = 0;
  for (const { name, fn } of aggregates.toSorted((a, b) => (a.name < b.name ? -1 : 1))) {
    places.set(name, isText(fn) ? texts++ : initial.length);
    if (fn === "count") initial.push(0);
    else if (fn === "avg") initial.push(0, 0);
    else if (!isText(fn)) initial.push(Number.NaN);
  }
  return {
    cells: initial.length,
    texts,
    initial: Float64Array.from(initial),
    slots: aggregates.map(({ name, fn, arg }) => ({ name, fn, arg, at: places.get(name) ?? 0 })),
  };
}

/** What must be equal for saved state to fit: the key, the window, the aggregates, and what a shard is. */
export function stateSignature(node: WindowNode): string {
  const aggregates = node.aggregates
    .toSorted((a, b) => (a.name < b.name ? -1 : 1))
    .map((a) => `${a.name}=${a.fn}(${a.arg ?? ""})`);
  const { type, sizeMs, offsetMs } = node.window;
  return `key=${node.key};shards=${node.keying};window=${type}/${sizeMs}/${offsetMs};${aggregates.join(";")}`;
}

/** End of the tumbling window of an event time. */
export function windowEnd(window: WindowNode["window"], ts: number): number {
  return Math.floor((ts - window.offsetMs) / window.sizeMs) * window.sizeMs + window.offsetMs + window.sizeMs;
}
