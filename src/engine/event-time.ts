const MAX_TIME_MS = 8.64e15;
const RFC_3339 = /^\d{4}-\d{2}-\d{2}T(?:[01]\d|2[0-3]):\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}:\d{2})$/;

/** Why a record has no event time, and what would be one. */
export const noEventTime = (path: string): string =>
  `its event time event.${path} is missing or not a time: milliseconds since 1970, or a text such as 2026-01-01T00:00:00Z`;

/** Milliseconds of an event-time field: a number of ms, or an RFC 3339 text. NaN is not a time. */
export function eventTimeOf(value: unknown): number {
  if (typeof value === "number") return Math.abs(value) <= MAX_TIME_MS ? Math.floor(value) : Number.NaN;
  return typeof value === "string" && RFC_3339.test(value) && isDay(value) ? Date.parse(value) : Number.NaN;
}

const DAYS_OF_ANY_MONTH = 28;

/** Date.parse takes the 30th of February for the 2nd of March. */
function isDay(text: string): boolean {
  const day = Number(text.slice(8, 10));
  if (day <= DAYS_OF_ANY_MONTH) return true;
  return day <= new Date(Date.UTC(Number(text.slice(0, 4)), Number(text.slice(5, 7)), 0)).getUTCDate();
}
