import type { Pipeline } from "../src/api/pipeline.schema.ts";
import type { ConsumedRecord } from "../test/servers/kafka-reading.ts";
import { eventAt, passesFilter, type EventShape } from "./events.ts";

/** One row of the table: a pipeline, and the output that it must have, computed a second time without the engine. */
export interface Workload {
  readonly name: string;
  readonly what: string;
  /** Records per CPU second as a multiple of the calibration. */
  readonly goal: number;
  pipeline(brokers: readonly string[], input: string, output: string): Pipeline;
  expected(count: number, shape: EventShape): string[];
  /** What came out, in the form of `expected`. */
  row(record: ConsumedRecord): string;
}

const WINDOW_MS = 10_000;

function connections(brokers: readonly string[]): Pipeline["connections"] {
  return [{ name: "main", kafka: { brokers: [...brokers] } }];
}

function reading(input: string) {
  return { connection: "main", kafka: { topics: [input], startFrom: "Earliest", format: "Json" as const } };
}

const w1: Workload = {
  name: "W1",
  what: "filter (30 % pass) and route, Kafka to Kafka",
  goal: 1.5,
  pipeline: (brokers, input, output) => ({
    connections: connections(brokers),
    nodes: [
      { name: "events", source: reading(input) },
      { name: "hot", from: ["events"], filter: "event.type == 'metrics' && event.payload.lag > 10000" },
      { name: "out", from: ["hot"], sink: { connection: "main", kafka: { topic: output } } },
    ],
  }),
  expected: (count, shape) => {
    const rows: string[] = [];
    for (let n = 0; n < count; n++) {
      const event = eventAt(n, shape);
      if (passesFilter(event)) rows.push(event.value);
    }
    return rows;
  },
  row: (record) => record.value,
};

const w3: Workload = {
  name: "W3",
  what: "10 s tumbling count/max/sum/avg per tenant, at least once",
  goal: 1.2,
  pipeline: (brokers, input, output) => ({
    connections: connections(brokers),
    nodes: [
      {
        name: "events",
        source: reading(input),
        partitionedBy: "event.tenant",
        eventTime: { field: "event.ts", maxOutOfOrderness: "1s" },
      },
      {
        name: "per-tenant",
        from: ["events"],
        keyBy: "event.tenant",
        window: { tumbling: { size: "10s" } },
        aggregate: {
          n: "count()",
          max: "max(event.payload.lag)",
          sum: "sum(event.payload.lag)",
          avg: "avg(event.payload.lag)",
        },
      },
      {
        name: "out",
        from: ["per-tenant"],
        sink: { connection: "main", kafka: { topic: output, key: "event.tenant" } },
      },
    ],
  }),
  expected: (count, shape) => {
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
  row: (record) => {
    const r = JSON.parse(record.value) as Record<"tenant" | "windowStart" | "n" | "max" | "sum" | "avg", string>;
    return `${r.tenant} ${r.windowStart} ${r.n} ${r.max} ${r.sum} ${r.avg}`;
  },
};

export const workloads: readonly Workload[] = [w1, w3];
