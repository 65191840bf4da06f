import type { OutputRecord } from "../workloads/workload.ts";

/** A row as rows are compared: fields by name, numbers to 12 digits, because Flink computes some as decimals. */
export const rowText = (row: OutputRecord): string =>
  JSON.stringify(
    Object.entries(row)
      .map(([name, value]) => [name, rounded(value)] as const)
      .toSorted(([a], [b]) => (a < b ? -1 : 1)),
  );

const DIGITS = 12;

function rounded(value: unknown): unknown {
  if (typeof value === "number") return Number(value.toPrecision(DIGITS));
  return Array.isArray(value) ? value.map(rounded) : value;
}

/** Rows of one side only; a row that comes twice on one side must come twice on the other. */
export function differingRows(
  ours: readonly OutputRecord[],
  flinks: readonly OutputRecord[],
): { readonly ours: string[]; readonly flinks: string[] } {
  const left = new Map<string, number>();
  for (const row of ours) left.set(rowText(row), (left.get(rowText(row)) ?? 0) + 1);
  const only: string[] = [];
  for (const text of flinks.map(rowText)) {
    const count = left.get(text) ?? 0;
    if (count === 0) only.push(text);
    else left.set(text, count - 1);
  }
  return { ours: [...left].flatMap(([text, count]) => Array.from({ length: count }, () => text)), flinks: only };
}

/** The fields that the other side has, too. */
export const fieldsOf = (row: OutputRecord, names: readonly string[]): OutputRecord =>
  Object.fromEntries(names.map((name) => [name, row[name]]));
