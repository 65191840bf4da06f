import { describe, expect, it } from "vitest";
import type { Accumulator, AccumulatorKind } from "./accumulator.ts";
import { own } from "./accumulator.ts";
import { collectedValues } from "./collected-values.ts";
import { distinctValues } from "./distinct-values.ts";
import { extremeText } from "./extreme-text.ts";
import { hyperLogLog } from "./hyper-log-log.ts";
import { quantileSketch } from "./quantile-sketch.ts";
import { topList } from "./top-list.ts";

function of(kind: AccumulatorKind, values: Iterable<unknown>): Accumulator {
  const made = kind.create();
  for (const value of values) made.add(value);
  return made;
}

const range = (n: number, value: (i: number) => unknown = (i) => i): unknown[] =>
  Array.from({ length: n }, (_, i) => value(i));

describe.each<[string, AccumulatorKind, unknown[]]>([
  ["collected values", collectedValues(5), [1, null, "a", { b: 1 }, [2], 3]],
  ["distinct values", distinctValues, [1, "1", { a: 1, b: 2 }, { b: 2, a: 1 }, 1.5, true]],
  ["a small HyperLogLog", hyperLogLog, range(100)],
  ["a large HyperLogLog", hyperLogLog, range(3000)],
  ["a sketch of percentiles", quantileSketch(0.5), [0, -1, 5, 1e300, 1e-300, -7.5]],
  ["the least text", extremeText(-1), ["b", "ä", "", "a", "\u{1f600}", "\ufffd"]],
  ["the greatest text", extremeText(1), ["b", "ä", "", "\ud800", "\u{1f600}", "\ufffd"]],
  ["a list of the best", topList({ size: 3, descending: true }), range(9, (i) => [i % 4, `{"i":${i}}`])],
])("%s", (_, kind, values) => {
  it("is the same after it was saved", () => {
    const made = of(kind, values);
    const restored = kind.decode(made.encode());
    expect(restored.result()).toEqual(made.result());
    for (const more of values.slice(0, 3)) {
      made.add(more);
      restored.add(more);
    }
    expect(restored.encode()).toBe(made.encode());
  });

  it("is the merge of its parts", () => {
    const whole = of(kind, values);
    const left = of(kind, values.slice(0, 2));
    left.merge(of(kind, values.slice(2)));
    expect(left.result()).toEqual(whole.result());
  });

  it("does not change with its copy, which is made once in the time of a snapshot", () => {
    const before = of(kind, values.slice(0, 2));
    const saved = before.encode();
    const copy = own(kind, before, 7);
    for (const value of values.slice(2)) copy.add(value);
    expect(before.encode()).toBe(saved);
    expect(own(kind, copy, 7)).toBe(copy);
    expect(own(kind, copy, 8)).not.toBe(copy);
  });
});

it("orders texts as the bytes of UTF-8 do", () => {
  // In the order of UTF-16 an emoji comes before U+FFFD.
  const texts = ["Z", "a", "z", "ä", "\ufffd", "\u{1f600}"];
  expect(of(extremeText(1), texts).result()).toBe("\u{1f600}");
  expect(of(extremeText(-1), texts).result()).toBe("Z");
  expect(texts.toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))).toEqual(texts);
  expect(of(extremeText(1), []).result()).toBeNull();
});

it("tells objects with the same fields from none, whatever their order", () => {
  expect(of(distinctValues, [{ a: 1, b: 2 }, { b: 2, a: 1 }, { a: 1 }, "1", 1]).result()).toBe(4);
});

it.each([0, 1, 10, 300, 5000, 100_000])("estimates %i different values within 5 %", (n) => {
  for (const values of [range(n), range(n, (i) => `user-${i * 7919}`), range(2 * n, (i) => i % n)]) {
    const estimated = of(hyperLogLog, values).result() as number;
    expect(Math.abs(estimated - n)).toBeLessThanOrEqual(0.05 * n);
  }
});

it.each([0, 0.01, 0.5, 0.9, 0.99, 1])("gives the percentile %f within 1 % of a value of its rank", (share) => {
  const values = range(5000, (i) => Math.sin(i) * 1000 ** Math.cos(i * 3)) as number[];
  const sorted = values.toSorted((a, b) => a - b);
  const exact = sorted[Math.floor(share * (sorted.length - 1))] as number;
  const estimated = of(quantileSketch(share), values).result() as number;
  expect(Math.abs(estimated - exact)).toBeLessThanOrEqual(0.0101 * Math.abs(exact));
});

it("keeps the high percentiles of values that span more than its bins", () => {
  const values = range(40_000, (i) => 10 ** ((i % 600) - 300)) as number[];
  const exact = values.toSorted((a, b) => a - b)[Math.floor(0.99 * (values.length - 1))] as number;
  const estimated = of(quantileSketch(0.99), values).result() as number;
  expect(Math.abs(estimated - exact) / exact).toBeLessThanOrEqual(0.0101);
});

it("ranks equal records by arrival, and numbers before texts", () => {
  const ranked = (descending: boolean): unknown => {
    const items = [
      [1, '"a"'],
      ["x", '"b"'],
      [2, '"c"'],
      [1, '"d"'],
      [2, '"e"'],
    ] as const;
    return of(topList({ size: 4, descending }), items).result();
  };
  expect(ranked(false)).toEqual(["a", "d", "c", "e"]);
  expect(ranked(true)).toEqual(["b", "c", "e", "a"]);
});
