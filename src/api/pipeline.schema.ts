import { z } from "zod";
import { connection } from "./connection.schema.ts";
import { sink, source } from "./connector.schema.ts";
import { duration } from "./duration.ts";
import { configMapKeyRef } from "./reference.schema.ts";
import { atMostOne, byName, exactlyOne, needs, rules } from "./rule.ts";
import type { Rule } from "./rule.ts";
import { expression, fieldPath, filled, int, list, localName, mapOf, preserved, text } from "./text.ts";

/** An input: a node's output `node`, or a side output `node.dead`, `node.late`, `node.<branch case>`. */
export const nodeInput = z
  .string()
  .max(127)
  .regex(/^[a-z]([-a-z0-9]*[a-z0-9])?(\.[A-Za-z][-A-Za-z0-9_]*)?$/, "must be a node's name, or node.output");

const trigger = rules(z.strictObject({ count: int(1, 10_000_000).optional(), every: duration.optional() }), [
  exactlyOne(["count", "every"], "a trigger"),
]);

export const window = rules(
  z.strictObject({
    tumbling: z.strictObject({ size: duration, offset: duration.optional() }).optional(),
    sliding: z.strictObject({ size: duration, every: duration }).optional(),
    session: z.strictObject({ gap: duration }).optional(),
    cumulate: z.strictObject({ step: duration, max: duration }).optional(),
    count: z.strictObject({ size: int(1, 10_000_000) }).optional(),
    /** Everything of a key so far, given after every `count` records of it or whenever event time passes `every`. */
    global: z.strictObject({ trigger }).optional(),
    allowedLateness: duration.optional(),
    /** Whose time ends it: that of the records (default), or that of the worker's clock. */
    time: z.enum(["Event", "Processing"]).optional(),
  }),
  [exactlyOne(["tumbling", "sliding", "session", "cumulate", "count", "global"], "a window")],
);
export type Window = z.infer<typeof window>;

const branch = z.strictObject({
  /** The first case whose condition holds takes the record. */
  cases: list(z.strictObject({ name: localName, when: expression }), 32, 1),
  /** Name of the output of records that no case takes; without it they are dropped. */
  otherwise: localName.optional(),
});

const lookup = z.strictObject({
  connection: localName,
  /** Of a database: a table or view, and its columns that leftKey is compared with. */
  table: filled(256).optional(),
  keyColumns: list(filled(128), 16, 1).optional(),
  /** HTTP: what follows the connection's URL; Redis: the name of the value. `{key}` stands for leftKey. */
  path: filled(1024).optional(),
  cache: z
    .strictObject({ rows: int(1, 10_000_000).optional(), ttl: duration.optional(), missing: z.boolean().optional() })
    .optional(),
  /** Most keys that are asked for at a time. */
  capacity: int(1, 10_000).optional(),
  timeout: duration.optional(),
  /** How often a request is repeated before its records fail; without it the job waits. */
  retries: int(0, 1000).optional(),
});
export type Lookup = z.infer<typeof lookup>;

const join = rules(
  z.strictObject({
    window: z.strictObject({ size: duration }).optional(),
    interval: z.strictObject({ before: duration, after: duration }).optional(),
    lookup: lookup.optional(),
    /** The right record that is in force at the left one's time: the newest of its key that is not later. */
    temporal: z.strictObject({}).optional(),
    type: z.enum(["Inner", "Left", "Outer"]).optional(),
    leftKey: expression.optional(),
    rightKey: expression.optional(),
    select: mapOf(expression, 64).optional(),
  }),
  [atMostOne(["window", "interval", "lookup", "temporal"], "a join")],
);

const namedInYaml11: Rule<Readonly<Record<string, unknown>>> = {
  cel: "!('true' in self || 'false' in self)",
  message:
    "a field named true or false: that is how kubectl reads n, no, off, y, yes and on without quotes; quote the name",
  holds: (fields) => !Object.hasOwn(fields, "true") && !Object.hasOwn(fields, "false"),
};
/** Fields that a user names. */
const fieldsOf = <S extends z.ZodType>(value: S, max: number) => rules(mapOf(value, max), [namedInYaml11]);

export const FIELD_TYPES = ["string", "int", "double", "bool", "timestamp_ms", "timestamp", "json"] as const;

const operations = {
  source: source.optional(),
  /** Condition: records for which it is false go no further. */
  filter: expression.optional(),
  /** New record: field path → expression. */
  map: fieldsOf(expression, 100).optional(),
  /** Expression that gives a list of records. */
  flatMap: expression.optional(),
  select: list(fieldPath, 100, 1).optional(),
  drop: list(fieldPath, 100, 1).optional(),
  branch: branch.optional(),
  union: z.strictObject({}).optional(),
  /** Result field → aggregate over the group: `count()`, `max(event.lag)`. */
  aggregate: fieldsOf(expression, 32).optional(),
  dedup: z.strictObject({ ttl: duration.optional() }).optional(),
  process: z
    .strictObject({
      function: localName,
      /** How long the state of a key without a change is kept, by event time. */
      ttl: duration.optional(),
      /** Names of outputs beside the plain one: `context.emit(record, name)`. */
      outputs: list(localName, 16, 1).optional(),
    })
    .optional(),
  topN: z
    .strictObject({ size: int(1, 10_000), by: expression, order: z.enum(["Ascending", "Descending"]).optional() })
    .optional(),
  join: join.optional(),
  /** Meets records with a table that every worker has: the newest record of each key of another node. */
  broadcast: z
    .strictObject({
      from: nodeInput,
      leftKey: expression,
      rightKey: expression,
      type: z.enum(["Inner", "Left"]).optional(),
      select: mapOf(expression, 64).optional(),
    })
    .optional(),
  rateLimit: z.strictObject({ perSecond: int(1, 10_000_000), burst: int(1, 10_000_000).optional() }).optional(),
  distinct: z.strictObject({ by: expression.optional(), ttl: duration.optional() }).optional(),
  peek: z.strictObject({ every: int(1, 1_000_000).optional(), message: expression.optional() }).optional(),
  sink: sink.optional(),
};
export const OPERATIONS = Object.keys(operations) as readonly (keyof typeof operations)[];
export type Operation = keyof typeof operations;

const inputsFit: Rule<{ source?: unknown; from?: unknown }> = {
  cel: "has(self.source) != has(self.from)",
  message: "a source has no `from`; every other node needs `from`, the list of the nodes it reads",
  holds: (node) => (node.source !== undefined) !== (node.from !== undefined),
};
const keyedOnly: Rule<{ keyBy?: unknown; aggregate?: unknown; dedup?: unknown; topN?: unknown; process?: unknown }> = {
  cel: "!has(self.keyBy) || has(self.aggregate) || has(self.dedup) || has(self.topN) || has(self.process)",
  message: "keyBy belongs to a node with aggregate, dedup, topN or process",
  holds: (n) => n.keyBy === undefined || [n.aggregate, n.dedup, n.topN, n.process].some((x) => x !== undefined),
};

const ttlFits: Rule<{ ttl?: unknown; aggregate?: unknown; topN?: unknown; join?: unknown }> = {
  cel: "!has(self.ttl) || has(self.aggregate) || has(self.topN) || has(self.join)",
  message: "ttl belongs to a node with aggregate, topN or join; dedup, distinct and process have a ttl of their own",
  holds: (n) => n.ttl === undefined || [n.aggregate, n.topN, n.join].some((x) => x !== undefined),
};

export const node = rules(
  z.strictObject({
    name: localName,
    from: list(nodeInput, 32, 1).optional(),
    ...operations,
    keyBy: expression.optional(),
    window: window.optional(),
    /** How long a key without a change is kept where no window of time ends its state. */
    ttl: duration.optional(),
    /** Field path → type; turns on type checks of expressions. */
    schema: fieldsOf(z.enum(FIELD_TYPES), 256).optional(),
    /** The source's splits are keyed by this field, so nodes keyed by it need no exchange. */
    partitionedBy: fieldPath.optional(),
    eventTime: z
      .strictObject({
        field: fieldPath.optional(),
        maxOutOfOrderness: duration.optional(),
        idleTimeout: duration.optional(),
      })
      .optional(),
    /** What happens to a record whose expression fails: Fail (default), Skip, or Dead (side output `dead`). */
    onError: z.enum(["Fail", "Skip", "Dead"]).optional(),
    buffer: z
      .strictObject({
        size: int(1, 1_000_000).optional(),
        strategy: z.enum(["Buffer", "Drop", "Latest", "Error"]).optional(),
      })
      .optional(),
  }),
  [
    exactlyOne(OPERATIONS, "a node"),
    inputsFit,
    keyedOnly,
    needs("window", "aggregate", "window belongs to a node with aggregate"),
    needs("window", "keyBy", "a window needs keyBy; for one window over everything write keyBy: '\"all\"'"),
    needs("aggregate", "keyBy", "aggregate needs keyBy; for one result over everything write keyBy: '\"all\"'"),
    needs("dedup", "keyBy", "dedup needs keyBy: the first record of each key passes; or use distinct"),
    needs("topN", "keyBy", "topN needs keyBy; for one ranking over everything write keyBy: '\"all\"'"),
    ttlFits,
    needs("schema", "source", "schema belongs to a source"),
    needs("partitionedBy", "source", "partitionedBy belongs to a source"),
    needs("eventTime", "source", "eventTime belongs to a source"),
  ],
);
export type PipelineNode = z.infer<typeof node>;

/** An export of a JavaScript or TypeScript module: what a process runs, or a custom connector. */
const userFunction = z.strictObject({
  name: localName,
  module: rules(
    z.strictObject({
      configMapRef: configMapKeyRef.optional(),
      /** A file of the worker's image, or on one of its volumes. */
      path: filled(1024).optional(),
    }),
    [exactlyOne(["configMapRef", "path"], "a module")],
  ),
  export: text(128).optional(),
});

export const pipeline = z.strictObject({
  connections: byName(list(connection, 32)).optional(),
  functions: byName(list(userFunction, 32)).optional(),
  nodes: byName(list(node, 100, 1)),
  tests: byName(
    list(
      z.strictObject({
        name: localName,
        input: mapOf(list(preserved, 100), 16),
        expect: mapOf(list(preserved, 100), 16),
      }),
      50,
    ),
  ).optional(),
});
export type Pipeline = z.infer<typeof pipeline>;
