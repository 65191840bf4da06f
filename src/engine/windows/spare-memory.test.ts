import fc from "fast-check";
import { expect, it } from "vitest";
import { newMemory, SpareMemory } from "./spare-memory.ts";

const KIBIBYTE = 1024;

const takenFrom = (spare: SpareMemory, bytes: number): ArrayBuffer => spare.take(bytes) ?? newMemory(bytes);

it("gives a piece that was given back to who asks for as much, or a little less", () => {
  const spare = new SpareMemory(64 * KIBIBYTE);
  const piece = takenFrom(spare, 10_000);
  spare.give(piece);
  expect(takenFrom(spare, 20_000)).not.toBe(piece);
  expect(takenFrom(spare, 2_000)).not.toBe(piece);
  expect(takenFrom(spare, 6_000)).toBe(piece);
  expect(spare.bytes).toBe(0);
});

it("keeps what is asked for, and gives up sizes that nobody wants any more", () => {
  const spare = new SpareMemory(64 * KIBIBYTE);
  const old = [1, 2, 3].map(() => takenFrom(spare, 16 * KIBIBYTE));
  for (const piece of old) spare.give(piece);
  const wanted = [1, 2, 3, 4].map(() => takenFrom(spare, 8 * KIBIBYTE));
  for (const piece of wanted) spare.give(piece);
  expect(spare.bytes).toBeLessThanOrEqual(64 * KIBIBYTE);
  expect(new Set([1, 2, 3, 4].map(() => takenFrom(spare, 8 * KIBIBYTE)))).toEqual(new Set(wanted));
});

it("keeps nothing of memory that is too large or too small to be worth it, and nothing of others", () => {
  const spare = new SpareMemory(1024 * 1024 * KIBIBYTE);
  for (const bytes of [0, 1, 127, 1024 * KIBIBYTE + 1, 4096 * KIBIBYTE]) spare.give(takenFrom(spare, bytes));
  spare.give(new ArrayBuffer(1001));
  expect(spare.bytes).toBe(0);
});

it("has no piece with two owners, gives enough, and holds no more than it may, whatever comes and goes", () => {
  const most = 100 * KIBIBYTE;
  const step = fc.record({ take: fc.boolean(), bytes: fc.nat(70_000), which: fc.nat(100) });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
      const spare = new SpareMemory(most);
      const owned: ArrayBuffer[] = [];
      for (const { take, bytes, which } of steps) {
        if (take || owned.length === 0) {
          const piece = takenFrom(spare, bytes);
          expect(owned).not.toContain(piece);
          expect(piece.byteLength).toBeGreaterThanOrEqual(bytes);
          expect(piece.byteLength).toBeLessThanOrEqual(Math.max(128, 2.5 * bytes));
          owned.push(piece);
        } else for (const piece of owned.splice(which % owned.length, 1)) spare.give(piece);
        expect(spare.bytes).toBeLessThanOrEqual(most);
        expect(spare.bytes).toBeGreaterThanOrEqual(0);
      }
    }),
  );
});
