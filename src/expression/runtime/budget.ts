import { Failure } from "../failure.ts";

/** Steps of one evaluation: a turn of a loop, and larger work by its size. Some 10 ms of time at worst. */
export const MAX_STEPS = 1_000_000;
/** Longest text, in UTF-16 units, and longest list that an expression may build. */
export const MAX_TEXT = 1 << 20;
export const MAX_ITEMS = 100_000;
/** Texts below this length are not charged: reading them costs less than counting. */
export const FREE_TEXT = 4096;

/** One evaluation at a time: evaluations are synchronous and never nested, so the counter need not be passed around. */
const budget = { left: MAX_STEPS };

export function begin(): void {
  budget.left = MAX_STEPS;
}

/** Undefined, or the failure that ends the evaluation. */
export function charge(steps: number): Failure | undefined {
  budget.left -= steps;
  return budget.left < 0
    ? new Failure("Budget", `takes more than ${MAX_STEPS} steps; loop over fewer items`)
    : undefined;
}

export function chargeText(length: number): Failure | undefined {
  return length < FREE_TEXT ? undefined : charge(length >> 4);
}
