import { Failure } from "../failure.ts";
import { BOOL, DOUBLE, DURATION, DYN, INT, STRING, TIMESTAMP } from "../value-type.ts";
import { define, overload } from "./function.ts";
import type { Duration, Timestamp } from "./instant.ts";
import { durationOf, timestampOf } from "./instant.ts";

const same = <T>(value: T): T => value;
const cannot = (text: string, type: string): Failure =>
  new Failure("Range", `${JSON.stringify(text.slice(0, 40))} is not ${type}`);

function toInt(n: number): number | Failure {
  const whole = Math.trunc(n) + 0;
  return Number.isSafeInteger(whole)
    ? whole
    : new Failure("Overflow", `${n} is beyond ±(2^53 - 1), the range of an int`);
}

function parseInteger(text: string): number | Failure {
  return /^[-+]?[0-9]{1,400}$/.test(text) ? toInt(Number(text)) : cannot(text, "an int");
}

function parseDouble(text: string): number | Failure {
  const decimal = /^[-+]?(?:[0-9]{1,400}(?:\.[0-9]{0,400})?|\.[0-9]{1,400})(?:[eE][-+]?[0-9]{1,4})?$/;
  return decimal.test(text) ? Number(text) : cannot(text, "a double");
}

function parseBool(text: string): boolean | Failure {
  if (["true", "True", "TRUE", "t", "1"].includes(text)) return true;
  return ["false", "False", "FALSE", "f", "0"].includes(text) ? false : cannot(text, "a bool");
}

const RFC3339 =
  /^(\d{4})-(\d{2})-(\d{2})[Tt](\d{2}):(\d{2}):(\d{2})(?:\.(\d{1,9}))?([Zz]|[-+](?:[01]\d|2[0-3]):[0-5]\d)$/;

/** RFC 3339; what is below a millisecond is cut off. */
function parseTimestamp(text: string): Timestamp | Failure {
  const [whole, year, month, day, hour, minute, second, fraction = "", zone = "Z"] = RFC3339.exec(text) ?? [];
  if (whole === undefined) return cannot(text, "an RFC 3339 time such as 2026-05-01T22:00:00Z");
  const seconds = `${year}-${month}-${day}T${hour}:${minute}:${second}`;
  const local = Date.parse(`${seconds}Z`);
  // Date.parse takes the 31st of February for the 3rd of March; a time that exists comes back as it was written.
  const exists = !Number.isNaN(local) && new Date(local).toISOString().startsWith(seconds);
  if (!exists) return cannot(text, "a time that exists");
  const sign = zone.startsWith("-") ? 1 : -1;
  const offset = zone.length === 1 ? 0 : sign * (Number(zone.slice(1, 3)) * 60 + Number(zone.slice(4, 6))) * 60_000;
  return timestampOf(local + Number(fraction.padEnd(3, "0").slice(0, 3)) + offset);
}

const UNITS: Readonly<Record<string, number>> = {
  h: 3_600_000,
  m: 60_000,
  s: 1000,
  ms: 1,
  us: 1e-3,
  µs: 1e-3,
  ns: 1e-6,
};
const DURATION_TEXT = /^[-+]?(?:0|(?:(?:\d{1,18}(?:\.\d{0,18})?|\.\d{1,18})(?:h|ms|m|s|us|µs|ns)){1,16})$/;
const DURATION_PART = /(\d+(?:\.\d*)?|\.\d+)(h|ms|m|s|us|µs|ns)/g;

/** Go's form, for example 1h30m; what is below a millisecond is cut off. */
function parseDuration(text: string): Duration | Failure {
  if (!DURATION_TEXT.test(text)) return cannot(text, "a duration such as 1h30m");
  let ms = 0;
  for (const [, number, unit] of text.matchAll(DURATION_PART)) ms += Number(number) * (UNITS[unit ?? ""] ?? 0);
  return durationOf(Math.trunc((text.startsWith("-") ? -1 : 1) * Number(ms.toFixed(6))));
}

const asJson = (value: Timestamp | Duration): string => value.toJSON();
const seconds = (value: Timestamp | Duration): number => Math.floor(value.ms / 1000) + 0;

export const conversions = {
  int: define(
    "global",
    1,
    overload("int", INT, same<number>),
    overload("double", INT, toInt),
    overload("string", INT, parseInteger),
    overload("timestamp", INT, seconds),
  ),
  double: define("global", 1, overload("number", DOUBLE, same<number>), overload("string", DOUBLE, parseDouble)),
  string: define(
    "global",
    2,
    overload("string", STRING, same<string>),
    overload("number", STRING, (n: number) => String(n)),
    overload("bool", STRING, (b: boolean) => String(b)),
    overload("timestamp", STRING, asJson),
    overload("duration", STRING, asJson),
  ),
  bool: define("global", 1, overload("bool", BOOL, same<boolean>), overload("string", BOOL, parseBool)),
  timestamp: define(
    "global",
    4,
    overload("string", TIMESTAMP, parseTimestamp),
    overload("timestamp", TIMESTAMP, same<Timestamp>),
    overload("int", TIMESTAMP, (s: number) => timestampOf(s * 1000)),
  ),
  duration: define(
    "global",
    4,
    overload("string", DURATION, parseDuration),
    overload("duration", DURATION, same<Duration>),
  ),
  /** Milliseconds since the epoch, as most records carry them. */
  fromMillis: define("global", 1, overload("int", TIMESTAMP, timestampOf)),
  millis: define(
    "global",
    1,
    overload("timestamp", INT, (t: Timestamp) => t.ms),
    overload("duration", INT, (d: Duration) => d.ms),
  ),
  dyn: define("global", 0, overload("any", DYN, same<unknown>)),
} as const;
