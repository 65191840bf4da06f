import { Failure } from "../failure.ts";
import { INT } from "../value-type.ts";
import type { CelFunction } from "./function.ts";
import { define, overload } from "./function.ts";
import type { Duration, Timestamp } from "./instant.ts";

type Getter = (date: Date) => number;
const DAY = 86_400_000;

/** Fields of a time, in UTC or in a zone given as an offset: the tables of the IANA zones differ between machines. */
const getters: Readonly<Record<string, Getter>> = {
  getFullYear: (d) => d.getUTCFullYear(),
  getMonth: (d) => d.getUTCMonth(),
  getDate: (d) => d.getUTCDate(),
  getDayOfMonth: (d) => d.getUTCDate() - 1,
  getDayOfWeek: (d) => d.getUTCDay(),
  getDayOfYear: (d) => Math.floor((d.getTime() - startOfYear(d)) / DAY),
  getHours: (d) => d.getUTCHours(),
  getMinutes: (d) => d.getUTCMinutes(),
  getSeconds: (d) => d.getUTCSeconds(),
  getMilliseconds: (d) => d.getUTCMilliseconds(),
};

/** Date.UTC takes the years 0 to 99 for 1900 to 1999. */
function startOfYear(d: Date): number {
  const start = new Date(d.getTime());
  start.setUTCMonth(0, 1);
  start.setUTCHours(0, 0, 0, 0);
  return start.getTime();
}

const spans: Readonly<Record<string, (ms: number) => number>> = {
  getHours: (ms) => ms / 3_600_000,
  getMinutes: (ms) => ms / 60_000,
  getSeconds: (ms) => ms / 1000,
  getMilliseconds: (ms) => ms % 1000,
};

function getter(name: string, get: Getter): CelFunction {
  const inUtc = overload("timestamp", INT, (t: Timestamp) => get(new Date(t.ms)));
  const inZone = overload("timestamp string", INT, (t: Timestamp, zone: string) => {
    const offset = offsetOf(zone);
    return typeof offset === "number" ? get(new Date(t.ms + offset)) : offset;
  });
  const span = spans[name];
  if (span === undefined) return define("method", 2, inUtc, inZone);
  return define(
    "method",
    2,
    inUtc,
    inZone,
    overload("duration", INT, (d: Duration) => Math.trunc(span(d.ms)) + 0),
  );
}

function offsetOf(zone: string): number | Failure {
  if (zone === "UTC" || zone === "Z") return 0;
  const [, sign, hours, minutes] = /^([-+]?)([01][0-9]|2[0-3]):([0-5][0-9])$/.exec(zone) ?? [];
  if (hours === undefined) return new Failure("Range", `the zone is not "UTC" or an offset such as "+02:00"`);
  return (sign === "-" ? -1 : 1) * (Number(hours) * 60 + Number(minutes)) * 60_000;
}

export const calendar: Readonly<Record<string, CelFunction>> = Object.fromEntries(
  Object.entries(getters).map(([name, get]) => [name, getter(name, get)]),
);
