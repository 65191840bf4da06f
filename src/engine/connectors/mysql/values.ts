import type { Column } from "../sql/session.ts";

/** A value of a record as a parameter of a statement; numbers as text, so that no digit is lost. */
export function parameterOf(value: unknown, column: Column): string | null {
  if (value === null || value === undefined) return null;
  if (column.type === "json") return JSON.stringify(value);
  switch (typeof value) {
    case "string":
      return isTime(column.type) ? timeOf(value) : value;
    case "boolean":
      return value ? "1" : "0";
    case "number":
      return String(value);
    default:
      return JSON.stringify(value);
  }
}

const isTime = (type: string): boolean => type === "datetime" || type === "timestamp";

/** MySQL takes no zone in a time: an instant is written in UTC, which is the session's zone. */
function timeOf(text: string): string {
  const hasZone = /^\d{4}-\d{2}-\d{2}T.*(Z|[+-]\d{2}:\d{2})$/.exec(text);
  if (hasZone === null) return text;
  const at = Date.parse(text);
  if (Number.isNaN(at)) return text;
  const fraction = /\.(\d{1,6})/.exec(text)?.[1];
  const seconds = new Date(at).toISOString().slice(0, 19).replace("T", " ");
  return fraction === undefined ? seconds : `${seconds}.${fraction}`;
}
