import type { Input } from "./input.ts";

/**
 * The events of W1 to W6: a pure function of their number, so that every side reads the same bytes and every output can
 * be computed again. 60 % are metrics, half of those have a lag above 10,000: a filter for both passes 30 %.
 */
export interface EventShape {
  readonly tenants: number;
  /** Of each tenant. */
  readonly hosts: number;
  /** Events per second of event time. */
  readonly rate: number;
}

export const START = 1_700_000_000_000;

/** Far behind every event. */
const SENTINEL_TS = 4_000_000_000_000;
const SENTINEL_TENANT = "~end";

/** A well-mixed 32-bit number of `n`; the constants are MurmurHash3's finaliser. */
function mix(n: number): number {
  let h = Math.imul(n + 0x9e37_79b9, 0x85eb_ca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2_ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

export interface BenchEvent {
  readonly ts: number;
  readonly tenant: string;
  readonly host: string;
  readonly type: "metrics" | "log";
  readonly lag: number;
  readonly value: string;
}

export function eventAt(n: number, shape: EventShape): BenchEvent {
  const a = mix(n);
  const b = mix(a ^ 0x5bd1_e995);
  const ts = START + Math.floor((n * 1000) / shape.rate);
  const tenant = `tenant-${String(a % shape.tenants).padStart(6, "0")}`;
  const type = b % 10 < 6 ? "metrics" : "log";
  const lag = Math.floor(b / 10) % 20_000;
  const host = `host-${String(Math.floor(a / shape.tenants) % shape.hosts).padStart(3, "0")}`;
  const value =
    `{"id":${1e9 + n},"type":"${type}","ts":${ts},"tenant":"${tenant}",` +
    `"payload":{"host":"${host}","lag":${lag},"cpu":0.${b % 1000}},"msg":"partition caught up"}`;
  return { ts, tenant, host, type, lag, value };
}

export function passesFilter(event: BenchEvent): boolean {
  return event.type === "metrics" && event.lag > 10_000;
}

/** Whether an output belongs to a sentinel: sides differ in whether they close the last window. */
export const ofSentinel = (tenant: string): boolean => tenant.startsWith(SENTINEL_TENANT);

export function eventInput(topic: string, shape: EventShape): Input {
  return {
    topic,
    record: (n) => {
      const { tenant, value, ts } = eventAt(n, shape);
      return { key: tenant, value, ts };
    },
    sentinel: (key) => ({
      key: SENTINEL_TENANT + key,
      value:
        `{"id":0,"type":"metrics","ts":${SENTINEL_TS},"tenant":"${SENTINEL_TENANT}${key}",` +
        `"payload":{"host":"none","lag":0,"cpu":0},"msg":"the end"}`,
      ts: SENTINEL_TS,
    }),
  };
}
