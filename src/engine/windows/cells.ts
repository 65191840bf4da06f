import { accumulatorOf } from "../accumulators/accumulator-kinds.ts";
import type { AccumulatorKind } from "../accumulators/accumulator.ts";
import { topList } from "../accumulators/top-list.ts";
import type { AggregateFunction, KeyedPlanNode, Keying, PlanAggregate, PlanNode } from "../plan.ts";
import { calledAs, isOfTexts } from "./argument.ts";

export type WindowNode = Extract<PlanNode, { kind: "windowAggregate" }>;
export type KeyedAggregateNode = Extract<PlanNode, { kind: "keyedAggregate" }>;
export type DedupNode = Extract<PlanNode, { kind: "dedup" }>;
export type TopNode = Extract<PlanNode, { kind: "topN" }>;

/**
 * Where each aggregate lives in an entry: numbers in `cells` doubles of a typed array, everything
 * else in `texts`: first and last as JSON, accumulators as they are. NaN in sum, min and max means "no value yet"; a value itself is never NaN.
 */
export interface CellLayout {
  readonly cells: number;
  readonly texts: number;
  /** By place among the texts; none for what is JSON text. */
  readonly accumulators: readonly (AccumulatorKind | undefined)[];
  /** Cells of a new entry. */
  readonly initial: Float64Array;
  /** In the user's order; places are given in the order of the names, so that reordering YAML keeps the state. */
  readonly slots: readonly Slot[];
}

export interface Slot {
  readonly name: string;
  readonly fn: AggregateFunction;
  readonly arg: string | null;
  /** First cell, or place among the texts. */
  readonly at: number;
  /** Cell with the place in the order of arrival, for first and last where entries are merged; else −1. */
  readonly order: number;
}

/** Cells of a new entry by function; none for what is kept among the texts. */
const NEW_CELLS: Readonly<Record<AggregateFunction, readonly number[]>> = {
  count: [0],
  sum: [Number.NaN],
  avg: [0, 0],
  min: [Number.NaN],
  max: [Number.NaN],
  minText: [],
  maxText: [],
  first: [],
  last: [],
  collect: [],
  countDistinct: [],
  approxCountDistinct: [],
  percentile: [],
};

export const isText = (fn: AggregateFunction): boolean => NEW_CELLS[fn].length === 0;

/** `own`: cells before those of the aggregates. `merged`: entries of one key are merged later, so order must be known. */
export function cellLayout(
  aggregates: readonly PlanAggregate[],
  { own = 0, merged = false }: { readonly own?: number; readonly merged?: boolean } = {},
): CellLayout {
  const initial: number[] = Array.from({ length: own }, () => 0);
  const places = new Map<string, { at: number; order: number }>();
  const accumulators: (AccumulatorKind | undefined)[] = [];
  for (const aggregate of aggregates.toSorted((a, b) => (a.name < b.name ? -1 : 1))) {
    const { name, fn } = aggregate;
    const ordered = merged && (fn === "first" || fn === "last");
    places.set(name, { at: isText(fn) ? accumulators.length : initial.length, order: ordered ? initial.length : -1 });
    initial.push(...(ordered ? [0] : NEW_CELLS[fn]));
    if (isText(fn)) accumulators.push(accumulatorOf(aggregate));
  }
  return {
    cells: initial.length,
    texts: accumulators.length,
    accumulators,
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

/** The time of an entry, and nothing else. */
export const dedupLayout = (): CellLayout => cellLayout([], { own: 1 });

/** The time of an entry and its list. */
export function topLayout({ size, order }: TopNode): CellLayout {
  const list = topList({ size, descending: order === "Descending" });
  return { ...cellLayout([], { own: 1 }), texts: 1, accumulators: [list] };
}

/** What must be equal for saved state to fit: the key, what is kept of it and how it is cut, and what a shard is. */
export function stateSignature(node: KeyedPlanNode): string {
  return `key=${node.key};shards=${shardsSignature(node.keying)};${contentSignature(node)}`;
}

/** A key has the same shard whether its worker hashes it or an exchange did. */
export const shardsSignature = (keying: Keying): string => (keying === "exchanged" ? "local" : keying);

/** Of a signature: its shards are splits, so where a key is is the business of whoever filled them. */
export const isBySplit = (signature: string): boolean => signature.split(";").includes("shards=declared");

/** The signature of a node that keeps the same by the hash of the key. */
export const byHash = (signature: string): string =>
  signature
    .split(";")
    .map((part) => (part === "shards=declared" ? "shards=local" : part))
    .join(";");

function contentSignature(node: KeyedPlanNode): string {
  switch (node.kind) {
    case "windowAggregate":
      return `window=${node.time === undefined ? "" : `${node.time}/`}${numbers(node.window)};${aggregatesSignature(node.aggregates)}`;
    case "keyedAggregate":
      return `trigger=${numbers(node.trigger)};${aggregatesSignature(node.aggregates)}`;
    case "dedup":
      return `dedup=${node.anyValue ? "any" : "key"}`;
    case "topN":
      return `top=${node.size}/${node.order};by=${node.by}`;
    case "keyedProcess":
      return "process";
  }
}

const aggregatesSignature = (aggregates: readonly PlanAggregate[]): string =>
  aggregates
    .toSorted((a, b) => (a.name < b.name ? -1 : 1))
    .map((aggregate) => `${aggregate.name}=${aggregateSignature(aggregate)}`)
    .join(";");

/** As its user writes it, who reads it where it does not fit. */
function aggregateSignature({ fn, arg, param }: PlanAggregate): string {
  const call = `${calledAs(fn)}(${arg ?? ""}${param === undefined ? "" : `, ${param}`})`;
  return isOfTexts(fn) ? `${call} of texts` : call;
}

/** `tumbling/10000/0`: the type and its numbers, in the order of the plan. */
function numbers({ type, ...fields }: { readonly type: string }): string {
  return [type, ...Object.values(fields)].join("/");
}
