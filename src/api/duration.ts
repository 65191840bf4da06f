import { z } from "zod";

/** Go-style durations down to milliseconds: `1m30s`, `250ms`, `1.5h`, `0`. */
const PATTERN = /^(0|([0-9]+(\.[0-9]+)?(ms|s|m|h))+)$/;
const PART = /([0-9]+(?:\.[0-9]+)?)(ms|s|m|h)/g;
const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

export const duration = z.string().max(32).regex(PATTERN, "must be a duration such as 1m30s, 250ms or 24h");

/** Milliseconds. Throws on text that the schema does not accept. */
export function parseDuration(text: string): number {
  if (!PATTERN.test(text)) throw new RangeError(`"${text}" is not a duration such as 1m30s`);
  let ms = 0;
  for (const [, number, unit] of text.matchAll(PART)) ms += Number(number) * (UNIT_MS[unit ?? ""] ?? 0);
  return Math.round(ms);
}

/** Node's timers count in 31 bits of milliseconds and fire at once beyond: two of these and a margin still fit. */
const LONGEST_WAIT = "240h";

/** What is wrong with a time that is waited for. */
export function waitProblem(text: string): string | undefined {
  const ms = parseDuration(text);
  if (ms === 0) return "must be longer than 0";
  return ms > parseDuration(LONGEST_WAIT) ? `must not be longer than ${LONGEST_WAIT}` : undefined;
}

/** The shortest exact form: 90000 is `1m30s`, 0 is `0s`. */
export function formatDuration(ms: number): string {
  if (ms === 0) return "0s";
  let rest = Math.round(ms);
  let text = "";
  for (const unit of ["h", "m", "s", "ms"]) {
    const size = UNIT_MS[unit] ?? 1;
    const count = Math.floor(rest / size);
    if (count > 0) text += `${count}${unit}`;
    rest -= count * size;
  }
  return text;
}
