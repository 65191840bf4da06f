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

/** The same for what is written: into a column of bits, a text would be written as the codes of its characters. */
export function writtenParameter(value: unknown, column: Column): string | Buffer | null {
  return (column.type === "bit" ? bitsOf(value) : undefined) ?? parameterOf(value, column);
}

const BITS = 64;

function bitsOf(value: unknown): Buffer | undefined {
  if (typeof value !== "boolean" && !/^\d{1,20}$/.test(String(value))) return undefined;
  const number = BigInt(value as boolean | number | string);
  if (number >> BigInt(BITS) > 0n) return undefined;
  const bytes = Buffer.alloc(BITS / 8);
  bytes.writeBigUInt64BE(number);
  const first = bytes.findIndex((byte) => byte !== 0);
  return bytes.subarray(first < 0 ? bytes.length - 1 : first);
}
