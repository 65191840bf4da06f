import { compareText } from "../../expression/runtime/compare.ts";
import type { Accumulator, AccumulatorKind } from "./accumulator.ts";

export type RankedBy = number | string;
export type TopItem = readonly [by: RankedBy, record: string];

export const isRank = (value: unknown): value is RankedBy =>
  typeof value === "string" || (typeof value === "number" && Number.isFinite(value));

export const rankProblem = (by: unknown): string =>
  `\`by\` must give a finite number or a text, not ${by === null ? "null" : Array.isArray(by) ? "a list" : `a ${typeof by}`}`;

/** Numbers come before texts. */
function compare(a: RankedBy, b: RankedBy): number {
  if (typeof a === "number") return typeof b === "number" ? a - b : -1;
  return typeof b === "string" ? compareText(a, b) : 1;
}

export interface TopOrder {
  readonly size: number;
  readonly descending: boolean;
}

/** Whether `a` is to be ranked before `b`. Of equal ones the first to arrive is. */
export function ranksBefore({ descending }: TopOrder, a: RankedBy, b: RankedBy): boolean {
  const order = compare(a, b);
  return descending ? order > 0 : order < 0;
}

/** The best records of a key, best first. */
export class TopList implements Accumulator {
  epoch = -1;
  private readonly order: TopOrder;
  readonly items: TopItem[];

  constructor(order: TopOrder, items: TopItem[]) {
    this.order = order;
    this.items = items;
  }

  /** Rank that a record would get, from 1 on; 0 is none. */
  rankOf(by: RankedBy): number {
    const { items } = this;
    let low = 0;
    let high = items.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (ranksBefore(this.order, by, (items[middle] as TopItem)[0])) high = middle;
      else low = middle + 1;
    }
    return low < this.order.size ? low + 1 : 0;
  }

  insert(rank: number, item: TopItem): void {
    this.items.splice(rank - 1, 0, item);
    if (this.items.length > this.order.size) this.items.pop();
  }

  add(value: unknown): void {
    const item = value as TopItem;
    const rank = this.rankOf(item[0]);
    if (rank > 0) this.insert(rank, item);
  }

  merge(other: TopList): void {
    for (const item of other.items) this.add(item);
  }

  clone(): this {
    return new TopList(this.order, [...this.items]) as this;
  }

  result(): unknown {
    return this.items.map(([, record]) => JSON.parse(record) as unknown);
  }

  encode(): string {
    return JSON.stringify(this.items);
  }
}

export const topList = (order: TopOrder): AccumulatorKind => ({
  create: () => new TopList(order, []),
  decode: (text) => new TopList(order, JSON.parse(text) as TopItem[]),
});
