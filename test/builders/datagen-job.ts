import type { JobObject } from "../../src/controllers/weir-resources.ts";

/** A job that needs nothing from outside: generated events, counted per tenant and second, written to files. */
export function datagenJob(name: string, spec: object = {}): JobObject {
  return {
    apiVersion: "weir.dev/v1alpha1",
    kind: "StreamingJob",
    metadata: { name, namespace: "default" },
    spec: {
      maxParallelism: 4,
      pipeline: {
        nodes: [
          {
            name: "events",
            source: { datagen: { splits: 4, rate: 1000, seed: 1, fields: FIELDS } },
            schema: { ts: "timestamp_ms", tenant: "string" },
            partitionedBy: "event.tenant",
            eventTime: { field: "event.ts", maxOutOfOrderness: "1s" },
          },
          {
            name: "per-tenant",
            from: ["events"],
            keyBy: "event.tenant",
            window: { tumbling: { size: "1s" } },
            aggregate: { n: "count()" },
          },
          { name: "out", from: ["per-tenant"], sink: { file: { path: `/var/lib/weir/results/${name}` } } },
        ],
      },
      checkpoint: { interval: "500ms", storage: { uri: "file:///var/lib/weir/state" } },
      ...spec,
    },
  };
}

const FIELDS = [
  { path: "ts", timestamp: {} },
  { path: "tenant", key: { prefix: "t-", count: 10 } },
];

/** The same job reading from a Kafka that may not be there. */
export function kafkaJob(name: string, broker: string): JobObject {
  return datagenJob(name, {
    pipeline: {
      connections: [{ name: "main", kafka: { brokers: [broker] } }],
      nodes: [
        { name: "events", source: { connection: "main", kafka: { topics: ["events"], startFrom: "Earliest" } } },
        { name: "out", from: ["events"], sink: { blackhole: {} } },
      ],
    },
  });
}
