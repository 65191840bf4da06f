import fc from "fast-check";
import { expect, it } from "vitest";
import { ShortCopy, targetOf } from "./short-copy.ts";

const SIZE = 400;

it("copies runs of any length from buffers in any turn as Buffer.copy does, and touches nothing beside them", () => {
  const sources = [1, 2].map((seed) => Buffer.from(Array.from({ length: SIZE }, (_, i) => (i * 31 + seed * 97) % 256)));
  // Within a larger one, as a batch is.
  const [first, second] = sources.map((bytes) => Buffer.concat([Buffer.alloc(3), bytes]).subarray(3));
  const run = fc.record({
    ofFirst: fc.boolean(),
    start: fc.nat(SIZE / 2),
    length: fc.nat(SIZE / 2),
    at: fc.nat(SIZE / 2),
  });
  fc.assert(
    fc.property(fc.array(run, { maxLength: 20 }), (runs) => {
      const copies = new ShortCopy();
      for (const { ofFirst, start, length, at } of runs) {
        const from = (ofFirst ? first : second) as Buffer;
        const [actual, expected] = [Buffer.alloc(SIZE, 255), Buffer.alloc(SIZE, 255)];
        const end = copies.copy(from, start, start + length, { to: targetOf(actual), at });
        expect(end).toBe(at + from.copy(expected, at, start, start + length));
        expect(actual.equals(expected)).toBe(true);
      }
    }),
    { numRuns: 500 },
  );
});
