import { eventAt, eventInput, ofSentinel, passesFilter, type EventShape } from "../inputs/events.ts";
import { jobFiles, millis, type OutputRecord, type Workload } from "./workload.ts";

/** W1 to W6: what they must write, computed from the events' numbers with plain loops. */
const shape: EventShape = { tenants: 1000, hosts: 997, rate: 20_000 };
const events = eventInput("events", shape);
const WINDOW_MS = 10_000;

const files = (name: string): Pick<Workload, "spec" | "sql"> => jobFiles(import.meta.dirname, name);
const unlessSentinel = (tenant: unknown, row: string): string | undefined =>
  ofSentinel(String(tenant)) ? undefined : row;

const w1: Workload = {
  name: "W1",
  what: "filter (30 % pass) and route",
  goal: { flink: 6, j: 2.5 },
  input: events,
  ...files("w1"),
  *expected(count) {
    for (let n = 0; n < count; n++) {
      const event = eventAt(n, shape);
      if (passesFilter(event)) yield JSON.stringify(JSON.parse(event.value));
    }
  },
  // Flink writes 0.50 as 0.5: what a number is counts, not how it is spelled.
  row: (record) => JSON.stringify(record),
};

const w2: Workload = {
  name: "W2",
  what: "project and re-serialise 1:1, 7 fields",
  goal: { flink: 5, j: 1 },
  input: events,
  ...files("w2"),
  *expected(count) {
    for (let n = 0; n < count; n++) {
      const { payload, msg: _, ...rest } = JSON.parse(eventAt(n, shape).value) as Record<string, unknown>;
      yield flatRow({ ...rest, ...(payload as OutputRecord) });
    }
  },
  row: (record) => unlessSentinel(record["tenant"], flatRow(record)),
};

function flatRow({ id, type, ts, tenant, host, lag, cpu }: OutputRecord): string {
  return [id, type, ts, tenant, host, lag, cpu].join(" ");
}

const w3: Workload = {
  name: "W3",
  what: "10 s tumbling count/max/sum/avg per tenant, exactly once",
  goal: { flink: 5, j: 2.5 },
  input: events,
  ...files("w3"),
  expected: (count) => {
    const windows = new Map<string, { n: number; max: number; sum: number }>();
    for (let n = 0; n < count; n++) {
      const { ts, tenant, lag } = eventAt(n, shape);
      const id = `${tenant} ${ts - (ts % WINDOW_MS)}`;
      const found = windows.get(id);
      if (found === undefined) windows.set(id, { n: 1, max: lag, sum: lag });
      else {
        found.n++;
        found.max = Math.max(found.max, lag);
        found.sum += lag;
      }
    }
    return [...windows].map(([id, { n, max, sum }]) => `${id} ${n} ${max} ${sum} ${sum / n}`);
  },
  row: ({ tenant, windowStart, n, max, sum, avg }) =>
    unlessSentinel(tenant, [tenant, millis(windowStart), n, max, sum, avg].join(" ")),
};

const hostShape: EventShape = { tenants: 1000, hosts: 256, rate: 20_000 };

const w4: Workload = {
  name: "W4",
  what: "last value per (tenant, host), 256 K keys, TTL, upsert",
  goal: { flink: 10 },
  input: eventInput("hosts", hostShape),
  ...files("w4"),
  *expected(count) {
    for (let n = 0; n < count; n++) {
      const { tenant, host, lag, ts } = eventAt(n, hostShape);
      yield [tenant, host, lag, ts].join(" ");
    }
  },
  row: ({ key, tenant, host, lag, ts }) => {
    const [ofTenant, ofHost] = Array.isArray(key) ? (key as string[]) : [tenant, host];
    return unlessSentinel(ofTenant, [ofTenant, ofHost, lag, ts].join(" "));
  },
};

const w6: Workload = {
  ...w3,
  name: "W6",
  what: "W3 on RocksDB, incremental checkpoints every 10 s",
  goal: { flink: 4 },
  spec: { ...w3.spec, state: { backend: "RocksDB" } },
  sql: `SET 'state.backend.type' = 'rocksdb';\n${w3.sql}`,
};

export const eventWorkloads: readonly Workload[] = [w1, w2, w3, w4, w6];
