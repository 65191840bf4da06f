import { z } from "zod";

/** Five fields; the ranges of their numbers are checked by `cronProblem`, which a CRD pattern cannot do. */
export const cron = z
  .string()
  .max(100)
  .regex(
    /^[0-9A-Za-z*,/-]+( +[0-9A-Za-z*,/-]+){4}$/,
    "must be five cron fields: minute hour day-of-month month day-of-week",
  );

const MONTHS = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
const DAYS = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];
const FIELDS = [
  { name: "minute", min: 0, max: 59, names: [] },
  { name: "hour", min: 0, max: 23, names: [] },
  { name: "day of month", min: 1, max: 31, names: [] },
  { name: "month", min: 1, max: 12, names: MONTHS },
  { name: "day of week", min: 0, max: 7, names: DAYS },
] as const;
type Field = (typeof FIELDS)[number];

/** What is wrong with a schedule, or null. */
export function cronProblem(schedule: string): string | null {
  const parts = schedule.trim().split(/ +/);
  if (parts.length !== FIELDS.length) return `"${schedule}" does not have five fields`;
  for (const [i, field] of FIELDS.entries()) {
    const bad = (parts[i] ?? "").split(",").find((item) => !itemFits(item, field));
    if (bad !== undefined) return `"${bad}" is no ${field.name} (${field.min}-${field.max}) in "${schedule}"`;
  }
  return neverComes(parts) ? `"${schedule}" never comes: no such month has that day` : null;
}

const LONGEST = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

/** The 30th of February. A day of the week would come all the same: cron takes either. */
function neverComes(parts: readonly string[]): boolean {
  const [, , days = "*", months = "*", weekdays = "*"] = parts;
  if (weekdays !== "*" || days.includes("*") || months.includes("*")) return false;
  const first = Math.min(...days.split(",").map((item) => Number.parseInt(item, 10)));
  return months.split(",").every((item) => longestOf(item) < first);
}

function longestOf(item: string): number {
  const [from = "", to = from] = (item.split("/")[0] ?? "").split("-");
  const [low, high] = [from, to].map((text) => valueOf(text, FIELDS[3]) ?? 1);
  return Math.max(...LONGEST.slice((low ?? 1) - 1, high ?? 12));
}

function itemFits(item: string, field: Field): boolean {
  const [range = "", step, ...more] = item.split("/");
  if (more.length > 0 || (step !== undefined && !(Number(step) >= 1 && Number.isInteger(Number(step))))) return false;
  if (range === "*") return true;
  const [from = "", to, ...rest] = range.split("-");
  const low = valueOf(from, field);
  const high = to === undefined ? low : valueOf(to, field);
  return rest.length === 0 && low !== null && high !== null && low <= high;
}

function valueOf(text: string, field: Field): number | null {
  const named = (field.names as readonly string[]).indexOf(text.toUpperCase());
  if (named >= 0) return named + field.min;
  if (!/^[0-9]+$/.test(text)) return null;
  const n = Number(text);
  return n >= field.min && n <= field.max ? n : null;
}
