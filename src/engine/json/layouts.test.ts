import { describe, expect, it } from "vitest";
import { finderByShape, inMemory, recordsOf } from "../../../test/builders/found-by-shape.ts";
import type { Records } from "./layout-scanner.ts";
import { ownField } from "../own-field.ts";

const lines = (...texts: readonly string[]): Buffer[] => texts.map((text) => Buffer.from(text));
const sizes = Array.from({ length: 50 }, (_, n) => n);

/** What is found of each, the first of which tells the shape. */
function found(path: readonly string[], texts: readonly string[]): unknown[] {
  const values = finderByShape([path])(recordsOf(lines(...texts)));
  return values.slice(1).map((value) => (value === undefined ? "not found" : value[0]));
}

const value = (text: string, path: readonly string[]): unknown => ownField(JSON.parse(text), path);

describe("where sixteen bytes are looked at in one go", () => {
  it("finds texts of every length, behind names of every length", () => {
    for (const size of sizes.slice(1)) {
      const name = "n".repeat(size);
      const records = sizes.map((length) => `{"x":1,"${name}":"${"t".repeat(length)}","y":2}`);
      expect(found([name], [`{"x":1,"${name}":"","y":2}`, ...records])).toEqual(
        sizes.map((length) => "t".repeat(length)),
      );
    }
  });

  it("sees a byte that differs at every place between the values", () => {
    const record = `{"first":1,"a rather long name, over twice sixteen bytes":"x","last":[2]}`;
    const isValue = new Set(["1", '"x"', "[2]"].flatMap((v) => Array.from(v, (_, i) => record.indexOf(v) + i)));
    const others = Array.from(record, (_, at) => `${record.slice(0, at)}#${record.slice(at + 1)}`);
    const between = others.filter((_, at) => !isValue.has(at));
    expect(found(["last"], [record, ...between])).toEqual(between.map(() => "not found"));
  });

  it.each(["é", "\u007f", "\\n", "\\u0041", "😀"])("finds a text with %j at every place", (odd) => {
    const records = sizes.map((n) => `{"a":"${"x".repeat(n)}${odd}${"y".repeat(50 - n)}","b":1}`);
    expect(found(["a"], [`{"a":"plain","b":1}`, ...records])).toEqual(records.map((text) => value(text, ["a"])));
    expect(found(["b"], [`{"a":"plain","b":1}`, ...records])).toEqual(records.map(() => 1));
  });

  it.each(["\n", "\u0000", "\u001f", "\\x", "\\u12g4"])("does not take a text with %j at any place", (bad) => {
    const records = sizes.map((n) => `{"a":"${"x".repeat(n)}${bad}${"é".repeat(50 - n)}","b":1}`);
    expect(found(["b"], [`{"a":"plain","b":1}`, ...records])).toEqual(records.map(() => "not found"));
  });

  it("finds whole numbers and fractions of every length, and what comes where a word was", () => {
    const digits = "12345678901234567890";
    const numbers = sizes.slice(1, 20).flatMap((n) => {
      const whole = digits.slice(0, n);
      return [whole, `-${whole}`, `0.${whole}`, `-0.${whole}`, `${whole}.${whole}`, `${whole}e2`, `${whole}.5E-3`];
    });
    const others = ["true", "false", "null", "[]", '{"deep":[1,{}]}', '"text"', '"täxt"'];
    const ofNumber = [...numbers, "0", "-0"].map((text) => `{"a":${text},"b":1}`);
    expect(found(["a"], [`{"a":7,"b":1}`, ...ofNumber])).toEqual(ofNumber.map((text) => value(text, ["a"])));
    const ofWord = [...numbers, ...others].map((text) => `{"a":${text},"b":1}`);
    expect(found(["a"], [`{"a":null,"b":1}`, ...ofWord])).toEqual(ofWord.map((text) => value(text, ["a"])));
  });

  it("finds values whose lengths stay, change once, and change with every record", () => {
    const texts = Array.from({ length: 30_000 }, (_, i) => {
      const size = i < 10_000 ? 3 : i < 20_000 ? 40 : i % 70;
      const digits = "7".repeat(1 + (size % 14));
      return `{"t":"${"x".repeat(size)}","n":-${digits}.${digits},"e":"${"é".repeat(size)}","b":${i}}`;
    });
    const found = finderByShape([["t"], ["n"], ["e"], ["b"]])(recordsOf(lines(...texts)));
    const wrong = found.slice(1).findIndex((values, i) => {
      const { t, n, e, b } = JSON.parse(texts[i + 1] as string) as Record<string, unknown>;
      return JSON.stringify(values) !== JSON.stringify([t, n, e, b]);
    });
    expect(wrong).toBe(-1);
  });

  it.each(["01", "-", "-01", "1.", "1.e5", "1e", "1e+", ".5", "00.5", "tru", "nulL", "fals", "[1,]"])(
    "does not take %s for a value",
    (bad) => {
      const first = /^[-.\d]/.test(bad) ? `{"a":7}` : `{"a":null}`;
      expect(found(["a"], [first, `{"a":${bad}}`])).toEqual(["not found"]);
    },
  );
});

it.each([
  { where: "that is copied", placed: (records: Records) => records },
  { where: "where it lies", placed: inMemory },
])("finds nothing in a record $where that is cut off, whatever lies behind it", ({ placed }) => {
  const record = `{"a":"some text","b":{"c":12.5,"d":"more"},"e":true}`;
  const rest = Array.from(record, (_, end) => end);
  const find = finderByShape([["e"]]);
  find(placed(recordsOf(lines(record))));
  const cut = recordsOf(
    rest.map((end) => Buffer.from(record.slice(0, end))),
    (i) => record.slice(i),
  );
  expect(find(placed(cut)).filter((values) => values !== undefined)).toEqual([]);
});

it("tells that a field is missing, also after a record that had it", () => {
  const find = finderByShape([["a"], ["b"], ["c", "d"]]);
  const shapes = [`{"a":1,"b":2}`, `{"b":3}`, `{"c":{"d":4}}`, `{"a":5,"b":6,"c":{"d":7}}`];
  find(recordsOf(lines(...shapes)));
  expect(find(recordsOf(lines(...shapes, ...shapes.toReversed())))).toEqual(
    [...shapes, ...shapes.toReversed()].map((text) => [["a"], ["b"], ["c", "d"]].map((path) => value(text, path))),
  );
});

it("knows a shape from the record behind the one that showed it", () => {
  const find = finderByShape([["a"]]);
  const records = Array.from({ length: 300 }, (_, i) => `{"a":${i}}`);
  expect(find(recordsOf(lines(...records)))).toEqual([undefined, ...records.slice(1).map((_, i) => [i + 1])]);
});

it("finds long records, leaves those to others that its memory does not hold, and finds the ones behind them", () => {
  const find = finderByShape([["a"]]);
  const text = (length: number): string => "x".repeat(length - `{"a":""}`.length);
  const long = text(1024 * 1024);
  const records = ["1", long, "2", text(100_000), `${long}x`, `${long}x`, "3"].map((a) => `{"a":"${a}"}`);
  const values = find(recordsOf(lines(...records)));
  expect(values).toEqual([undefined, [long], ["2"], [text(100_000)], undefined, undefined, ["3"]]);
});

it("looks at a batch of more bytes than it takes at a time in several goes", () => {
  const find = finderByShape([["a"], ["n"]]);
  const text = "x".repeat(3000);
  const records = Array.from({ length: 100 }, (_, n) => `{"a":"${text}","n":${n}}`);
  expect(find(recordsOf(lines(...records), () => "gap")).slice(1)).toEqual(
    records.slice(1).map((_, i) => [text, i + 1]),
  );
});

it("leaves records to others of which very many fields are asked for", () => {
  const batch = recordsOf(lines(`{"a":1}`, `{"a":2}`, `{"a":3}`));
  expect(finderByShape([["a"]])(batch)[2]).toEqual([3]);
  const paths = Array.from({ length: 9000 }, (_, i) => [`f${i}`]);
  expect(finderByShape(paths)(batch)).toEqual([undefined, undefined, undefined]);
});

it("finds records in any order of their places, and of those without a value nothing", () => {
  const find = finderByShape([["a"]]);
  const ordered = recordsOf(lines(`{"a":0}`, `{"a":1}`, `{"a":2}`, `{"a":3}`));
  find(ordered);
  const off = ordered.off.toReversed();
  expect(find({ ...ordered, off })).toEqual([[3], [2], [1], [0]]);
  expect(find({ ...ordered, len: Int32Array.of(7, -1, 0, 7) })).toEqual([[0], undefined, undefined, [3]]);
});

it("keeps the shapes of two sources apart, whose batches come in turns and lie here and there", () => {
  const left = finderByShape([["a"]]);
  const right = finderByShape([["b"], ["a"]]);
  const batch = recordsOf(lines(`{"a":1,"b":2}`, `{"a":3,"b":4}`));
  left(batch);
  right(batch);
  for (let turn = 0; turn < 6; turn++) {
    const placed = turn % 3 === 0 ? inMemory(batch) : batch;
    expect(left(placed)).toEqual([[1], [3]]);
    expect(right(placed)).toEqual([
      [2, 1],
      [4, 3],
    ]);
  }
});

it("forgets the shape that was not seen for longest", () => {
  const find = finderByShape([["a"]]);
  const shape = (n: number): string => `{"a":${n},"${"s".repeat(n)}":0}`;
  find(recordsOf(lines(...[1, 2, 3, 4].map(shape))));
  find(recordsOf(lines(shape(1), shape(2), shape(3))));
  const strangers = Array.from({ length: 400 }, () => shape(5));
  expect(find(recordsOf(lines(...strangers))).at(-1)).toEqual([5]);
  expect(find(recordsOf(lines(...[1, 2, 3, 4].map(shape))))).toEqual([[1], [2], [3], undefined]);
});
