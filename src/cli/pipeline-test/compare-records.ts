import { canonicalJson } from "../../engine/canonical-json.ts";

/** A difference, at the expectation: `[0, "n"]` is the field `n` of the first expected record, `[]` the whole list. */
export interface Difference {
  readonly keys: readonly (string | number)[];
  readonly message: string;
}

const MAX_TEXT = 300;

/**
 * Compares records without regard to their order, nor to that of their fields: workers give none. A record that did not
 * come is shown with the nearest of those that came instead.
 */
export function compareRecords(expected: readonly unknown[], got: readonly unknown[]): Difference[] {
  const left = [...got];
  const missing: number[] = [];
  for (const [i, record] of expected.entries()) {
    const found = left.findIndex((other) => canonicalJson(other) === canonicalJson(record));
    if (found < 0) missing.push(i);
    else left.splice(found, 1);
  }
  const differences = missing.map((i) => nearest(i, expected[i], left));
  if (left.length === 0) return differences;
  const what = left.length === 1 ? "a record came that is" : `${left.length} records came that are`;
  return [...differences, { keys: [], message: `${what} not expected: ${left.map(shown).join(", ")}` }];
}

/** Takes the nearest out of what is left. */
function nearest(i: number, record: unknown, left: unknown[]): Difference {
  let best = -1;
  let most = 0;
  for (const [k, other] of left.entries()) {
    const equal = equalFields(record, other);
    if (equal > most) [best, most] = [k, equal];
  }
  if (best < 0) {
    const none = left.length === 0 ? "; no more records came" : "";
    return { keys: [i], message: `this record did not come${none}: ${shown(record)}` };
  }
  const [other] = left.splice(best, 1);
  const fields = differingFields(record, other);
  const told = fields.map((f) => `${f} is ${valueOf(other, f)} instead of ${valueOf(record, f)}`);
  const first = fields.find((f) => Object.hasOwn(record as object, f));
  return { keys: first === undefined ? [i] : [i, first], message: `${told.join(", ")} in ${shown(other)}` };
}

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

function equalFields(a: unknown, b: unknown): number {
  if (!isRecord(a) || !isRecord(b)) return 0;
  return Object.keys(a).filter((key) => Object.hasOwn(b, key) && canonicalJson(a[key]) === canonicalJson(b[key]))
    .length;
}

function differingFields(a: unknown, b: unknown): string[] {
  if (!isRecord(a) || !isRecord(b)) return [];
  const names = [...new Set([...Object.keys(a), ...Object.keys(b)])];
  return names.filter(
    (key) => !Object.hasOwn(a, key) || !Object.hasOwn(b, key) || canonicalJson(a[key]) !== canonicalJson(b[key]),
  );
}

const valueOf = (record: unknown, field: string): string =>
  isRecord(record) && Object.hasOwn(record, field) ? shown(record[field]) : "missing";

function shown(value: unknown): string {
  const text = JSON.stringify(value);
  return text.length <= MAX_TEXT ? text : `${text.slice(0, MAX_TEXT)}…`;
}
