/**
 * Sums follow the arithmetic of expressions: an int is a whole number within ±(2^53 − 1), and a sum of ints beyond is an
 * overflow, never a rounded number. A sum with a double in it is a double.
 */
export function overflows(sum: number, added: number): boolean {
  const total = sum + added;
  if (Number.isSafeInteger(total) || Number.isNaN(sum)) return false;
  return !Number.isFinite(total) || (Number.isSafeInteger(sum) && Number.isSafeInteger(added));
}

/** For sums that are merged, where no record is at hand to fail: an overflow becomes ±∞ and fails the result. */
export function addSum(sum: number, added: number): number {
  if (Number.isNaN(sum)) return added;
  if (Number.isNaN(added)) return sum;
  const total = sum + added;
  if (Number.isSafeInteger(total) || !Number.isSafeInteger(sum) || !Number.isSafeInteger(added)) return total;
  return total > 0 ? Number.POSITIVE_INFINITY : Number.NEGATIVE_INFINITY;
}

export const overflowProblem = (name: string): string =>
  `sum() of ${name} is beyond what a number holds exactly (±(2^53 - 1) for ints); sum doubles, double(…), or smaller units`;
