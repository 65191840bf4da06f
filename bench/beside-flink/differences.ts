import type { OutputRecord } from "../workloads/workload.ts";

/** What Flink gives otherwise, and is meant to: docs/reference/flink-sql.md has a line for each. */
export interface Difference {
  readonly why: string;
  /** Rows that only we give. */
  readonly ours: readonly OutputRecord[];
  /** Rows that only Flink gives. */
  readonly flinks: readonly OutputRecord[];
}

const LATE = "Flink's interval and temporal joins have no late records";
const BY_ARRIVAL = "here the order is that of arrival";
const NULLS = "FIRST_VALUE and LAST_VALUE skip nulls";
const EQUALITY = "null is a value to == and !=";

const versions: Difference = {
  why: `${LATE}; a view of versions leaves out those older than the newest`,
  ours: [
    { id: "after-the-older", rate: 3 },
    { id: "in-time", rate: 5 },
    { id: "after-the-late-version", rate: 5 },
  ],
  flinks: [
    { id: "after-the-older", rate: 1 },
    { id: "late", rate: 2 },
    { id: "in-time", rate: 2 },
    { id: "after-the-late-version", rate: 2 },
  ],
};

const nullIsUnequal: Difference = {
  why: EQUALITY,
  ours: [
    { id: 3, a: null, b: 2 },
    { id: 4, a: null, b: null },
    { id: 6, a: null, b: 1 },
  ],
  flinks: [],
};

/** Windows of five seconds, every two: where each begins, its count and its total. */
const uneven = (windows: readonly (readonly [windowStart: number, n: number, total: number])[]): OutputRecord[] =>
  windows.map(([windowStart, n, total]) => ({ k: "b", windowStart, windowEnd: windowStart + 5000, n, total }));

/** By `case: test.node`. */
export const differences: Readonly<Record<string, Difference>> = {
  "windows: edges.uneven": {
    why: "windows whose size is no multiple of their distance end at multiples of it here, and begin there in Flink",
    ours: uneven([
      [3000, 2, 15],
      [5000, 3, 24],
      [7000, 3, 27],
      [9000, 2, 19],
      [11_000, 1, 10],
    ]),
    flinks: uneven([
      [2000, 1, 7],
      [4000, 2, 15],
      [6000, 3, 24],
      [8000, 2, 19],
      [10_000, 1, 10],
    ]),
  },
  "late-joins: behind-the-watermark.within": {
    why: LATE,
    ours: [],
    flinks: [
      { a: "o-at", b: "p1" },
      { a: "o1", b: "p-late" },
      { a: "o-at", b: "p-late" },
      { a: "o-old", b: null },
    ],
  },
  "versions: out-of-order.converted": versions,
  "versions: out-of-order.converted-left": versions,
  "aggregates: nulls.integer-mean": {
    why: "a mean of BIGINT is a BIGINT",
    ours: [
      { k: "c", mean: -4.5 },
      { k: null, mean: 5.5 },
      { k: "a", mean: 5 / 3 },
    ],
    flinks: [
      { k: "c", mean: -4 },
      { k: null, mean: 5 },
      { k: "a", mean: 1 },
    ],
  },
  "aggregates: nulls.ends": {
    why: NULLS,
    ours: [{ k: "c", first: null, last: null }],
    flinks: [{ k: "c", first: -7, last: -2 }],
  },
  "aggregates: nulls.texts": {
    why: NULLS,
    ours: [{ k: "c", names: 2, first: null }],
    flinks: [{ k: "c", names: 2, first: "x" }],
  },
  "rows: ties.first-in-time": { why: BY_ARRIVAL, ours: [{ k: "a", id: 1 }], flinks: [{ k: "a", id: 2 }] },
  "rows: ties.last-in-time": { why: BY_ARRIVAL, ours: [{ k: "a", id: 12 }], flinks: [{ k: "a", id: 11 }] },
  "conditions: nulls.unequal": nullIsUnequal,
  "conditions: nulls.none-of": nullIsUnequal,
  "functions: values.letters": {
    why: "upperAscii and lowerAscii know A to Z; trim takes tabs and line ends, too",
    ours: [
      { id: 4, trimmed: "äbÄ😀", upper: "äBÄ😀", lower: "äbÄ😀" },
      { id: 5, trimmed: "b", upper: "\t B\n", lower: "\t b\n" },
      { id: 6, trimmed: "aﬁx", upper: "AﬁX", lower: "aﬁx" },
    ],
    flinks: [
      { id: 4, trimmed: "äbÄ😀", upper: "ÄBÄ😀", lower: "äbä😀" },
      { id: 5, trimmed: "\t b\n", upper: "\t B\n", lower: "\t b\n" },
      { id: 6, trimmed: "aﬁx", upper: "AFIX", lower: "aﬁx" },
    ],
  },
  "functions: values.written": {
    why: "a whole double is written without a fraction, and without an exponent below 10^21",
    ours: [
      { id: 4, double: "1000000000000000" },
      { id: 6, double: "3" },
    ],
    flinks: [
      { id: 4, double: "1.0E15" },
      { id: 6, double: "3.0" },
    ],
  },
  "functions: values.instant": {
    why: "times are written by RFC 3339",
    ours: [{ time: "2024-02-28T23:59:59.999Z" }],
    flinks: [{ time: "2024-02-28 23:59:59.999" }],
  },
  "functions: values.times": {
    why: "Flink's parts of a TIMESTAMP_LTZ before 1970 are cut off towards 1970",
    ours: [{ id: 2, year: 1969, month: 12, day: 31, weekday: 4, yearday: 365, hour: 23, minute: 59, second: 59 }],
    flinks: [{ id: 2, year: 1970, month: 1, day: 1, weekday: 5, yearday: 1, hour: 0, minute: 0, second: -1 }],
  },
  "conditions: nulls.same": { why: EQUALITY, ours: [{ id: 4, a: null, b: null }], flinks: [] },
};
