import { z } from "zod";
import { datagenSource } from "./datagen.schema.ts";
import { duration } from "./duration.ts";
import { quantity } from "./quantity.ts";
import { exactlyOne, rules } from "./rule.ts";
import type { Rule } from "./rule.ts";
import { expression, filled, int, list, localName, mapOf, preserved, text } from "./text.ts";

/** What sources and sinks of a pipeline can be. The kinds that go over the network name a connection. */
const format = z.enum(["Json", "Csv", "Raw", "Avro", "Protobuf"]);
const delivery = z.enum(["AtLeastOnce", "ExactlyOnce"]);
export type Delivery = z.infer<typeof delivery>;
const topic = z
  .string()
  .max(249)
  .regex(/^[a-zA-Z0-9._{}-]+$/, "must be a topic name");
const absolutePath = z
  .string()
  .max(1024)
  .regex(/^\/.*$/, "must be an absolute path in the worker's pod");
const key = expression;
/** A field of the record for what Kafka keeps beside its value. */
const metadata = z
  .string()
  .max(63)
  .regex(/^[A-Za-z_]\w*$/, "must be the name of a field")
  .optional();

/** `Earliest`, `Latest`, or the time from which to read. */
const kafkaStart = z
  .string()
  .max(40)
  .regex(
    /^(Earliest|Latest|[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?(Z|[+-][0-9]{2}:[0-9]{2}))$/,
    "must be Earliest, Latest or an RFC 3339 time",
  );

const kafkaSource = z.strictObject({
  topics: list(topic, 32, 1),
  startFrom: kafkaStart.optional(),
  format: format.optional(),
  /** Consumer group under which progress is shown to Kafka's tools. Default weir.<namespace>.<job>.<node>. */
  groupId: text(249).optional(),
  isolation: z.enum(["ReadCommitted", "ReadUncommitted"]).optional(),
  /** Where to go on when retention has overtaken the job, or the topic was created anew. Fail ends the job: the rest loses records. */
  offsetReset: z.enum(["Fail", "Earliest", "Latest"]).optional(),
  metadata,
});
const fileSource = z.strictObject({
  /** A file, or a folder whose files are read in order of their names. */
  path: absolutePath,
  format: format.optional(),
  compression: z.enum(["None", "Gzip"]).optional(),
  /** Wait for more at the end instead of finishing. */
  follow: z.boolean().optional(),
});
const httpSource = z.strictObject({
  path: text(1024).optional(),
  interval: duration.optional(),
  items: text(512).optional(),
  pageParameter: text(64).optional(),
  format: format.optional(),
});
const sqlSource = z.strictObject({
  query: filled(8192),
  incrementBy: text(128).optional(),
  interval: duration.optional(),
});
const streamSource = z.strictObject({ name: filled(256), group: text(256).optional(), format: format.optional() });
const objectSource = z.strictObject({ prefix: text(1024), format: format.optional(), follow: z.boolean().optional() });

/** A connector of the user's own: an export named in spec.pipeline.functions, which gets `config` as it stands. */
const custom = z.strictObject({ function: localName, config: preserved.optional() });

const SELF_CONTAINED = ["datagen", "file", "stdout", "blackhole", "custom"];
const NETWORKED_SOURCES = ["kafka", "http", "postgres", "mysql", "redis", "rabbitmq", "s3", "websocket", "nats"];
const SOURCE_KINDS = ["datagen", "file", "custom", ...NETWORKED_SOURCES];
const SINK_KINDS = ["file", "stdout", "blackhole", "custom", ...NETWORKED_SOURCES];

function connectionWhereNeeded(kinds: readonly string[]): Rule<object> {
  const own = kinds.filter((k) => SELF_CONTAINED.includes(k));
  return {
    cel: `has(self.connection) != (${own.map((k) => `has(self.${k})`).join(" || ")})`,
    message: `${own.join(", ")} take no connection; everything else names one of spec.pipeline.connections`,
    holds: (v) => {
      const fields = v as Readonly<Record<string, unknown>>;
      return (fields["connection"] !== undefined) !== own.some((k) => fields[k] !== undefined);
    },
  };
}

export const source = rules(
  z.strictObject({
    connection: localName.optional(),
    datagen: datagenSource.optional(),
    file: fileSource.optional(),
    custom: custom.optional(),
    kafka: kafkaSource.optional(),
    http: httpSource.optional(),
    postgres: sqlSource.optional(),
    mysql: sqlSource.optional(),
    redis: streamSource.optional(),
    rabbitmq: streamSource.optional(),
    s3: objectSource.optional(),
    websocket: z.strictObject({ format: format.optional() }).optional(),
    nats: streamSource.optional(),
  }),
  [exactlyOne(SOURCE_KINDS, "a source"), connectionWhereNeeded(SOURCE_KINDS)],
);
export type Source = z.infer<typeof source>;

const kafkaSink = z.strictObject({
  topic,
  /** Key of the outgoing record: an expression over `event`. */
  key: key.optional(),
  delivery: delivery.optional(),
  compression: z.enum(["None", "Gzip", "Snappy", "Lz4", "Zstd"]).optional(),
  format: format.optional(),
  metadata,
  /** Expressions over `event`. */
  headers: mapOf(expression, 16).optional(),
});
const fileSink = z.strictObject({
  /** A folder; each worker writes its own part files into it. */
  path: absolutePath,
  format: format.optional(),
  delivery: delivery.optional(),
  rollSize: quantity.optional(),
  rollInterval: duration.optional(),
});
const sqlSink = z.strictObject({
  table: filled(256),
  keyColumns: list(filled(128), 16).optional(),
  delivery: delivery.optional(),
});
const streamSink = z.strictObject({ name: filled(256), key: key.optional(), format: format.optional() });

export const sink = rules(
  z.strictObject({
    connection: localName.optional(),
    file: fileSink.optional(),
    stdout: z.strictObject({ format: format.optional() }).optional(),
    blackhole: z.strictObject({}).optional(),
    custom: custom.extend({ delivery: delivery.optional() }).optional(),
    kafka: kafkaSink.optional(),
    http: z.strictObject({ path: text(1024).optional(), method: z.enum(["Post", "Put"]).optional() }).optional(),
    postgres: sqlSink.optional(),
    mysql: sqlSink.optional(),
    redis: streamSink.optional(),
    rabbitmq: streamSink.optional(),
    s3: z
      .strictObject({
        /** A folder; each worker writes objects of its own into it. */
        prefix: text(1024),
        format: z.enum(["Json", "Parquet"]).optional(),
        delivery: delivery.optional(),
        rollSize: quantity.optional(),
        rollInterval: duration.optional(),
      })
      .optional(),
    websocket: z.strictObject({}).optional(),
    nats: streamSink.optional(),
    /** How records are grouped on their way out. */
    batching: z
      .strictObject({
        count: int(1, 100_000).optional(),
        bytes: quantity.optional(),
        interval: duration.optional(),
      })
      .optional(),
  }),
  [exactlyOne(SINK_KINDS, "a sink"), connectionWhereNeeded(SINK_KINDS)],
);
export type Sink = z.infer<typeof sink>;
