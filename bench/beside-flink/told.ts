/** The outcome of one comparison: rows of one side only. */
export interface Told {
  readonly name: string;
  /** Flink's, in the end. */
  readonly rows: number;
  readonly note: string;
  readonly ours: readonly string[];
  readonly flinks: readonly string[];
}

/** Flink gave no rows, but a reason. */
export const refused = (name: string, reason: string): Told => ({
  name,
  rows: 0,
  note: "",
  ours: [],
  flinks: [reason],
});

const SHOWN = 5;

/** 1 if it is not as documented. */
export function tell({ name, rows, note, ours, flinks }: Told): number {
  const same = ours.length === 0 && flinks.length === 0;
  const verdict = same ? "as documented" : `DIFFERENT: ${ours.length} of ours only, ${flinks.length} of Flink's only`;
  console.log(`  ${name.padEnd(44)} ${String(rows).padStart(7)} rows  ${verdict}${note === "" ? "" : ` (${note})`}`);
  for (const [side, lines] of [
    ["ours", ours],
    ["Flink", flinks],
  ] as const)
    for (const line of lines.slice(0, SHOWN)) console.log(`      ${side}: ${line.slice(0, 2000)}`);
  return same ? 0 : 1;
}
