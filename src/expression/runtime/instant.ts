import { Failure } from "../failure.ts";

/** A point in time, to the millisecond. */
export class Timestamp {
  readonly ms: number;
  constructor(ms: number) {
    this.ms = ms;
  }
  toJSON(): string {
    return new Date(this.ms).toISOString().replace(".000Z", "Z");
  }
}

/** A span of time, to the millisecond. */
export class Duration {
  readonly ms: number;
  constructor(ms: number) {
    this.ms = ms;
  }
  toJSON(): string {
    return `${this.ms / 1000}s`;
  }
}

/** Years 1 to 9999, the range of a protobuf timestamp. */
const EARLIEST = Date.parse("0001-01-01T00:00:00Z");
const LATEST = Date.UTC(9999, 11, 31, 23, 59, 59, 999);
const LONGEST = LATEST - EARLIEST;

export function timestampOf(ms: number): Timestamp | Failure {
  if (ms >= EARLIEST && ms <= LATEST) return new Timestamp(ms);
  return new Failure("Range", "the time is outside the years 1 to 9999");
}

export function durationOf(ms: number): Duration | Failure {
  if (Math.abs(ms) <= LONGEST) return new Duration(ms + 0);
  return new Failure("Range", "the duration is longer than 10,000 years");
}
