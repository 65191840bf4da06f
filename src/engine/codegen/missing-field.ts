import type { Fail } from "./chain.ts";
import type { Leaf } from "./shape.ts";

/** The test that a field which is copied is there; none where it cannot be missing. */
export function missingTest({ slot, present }: Leaf, expression: string): ((fail: Fail) => string) | undefined {
  const there = slot === undefined ? present : `${slot.type} !== 0`;
  if (there === undefined) return undefined;
  return (fail) => `if (!(${there})) ${fail(`R.missing(${JSON.stringify(expression)})`)}`;
}
