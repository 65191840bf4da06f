/**
 * The physical plan: what the operator's planner writes into an epoch's ConfigMap (plan.json) and a worker runs.
 * JSON, versioned, hashed; independent of slot, epoch and parallelism. All durations are in ms, all placeholders filled.
 */
export const PLAN_VERSION = 1;

export interface Plan {
  readonly version: typeof PLAN_VERSION;
  /** Hex SHA-256 over the canonical JSON of everything else; shown in status. */
  readonly hash: string;
  readonly maxParallelism: number;
  readonly parameters: Readonly<Record<string, string>>;
  readonly sources: readonly PlanSource[];
  readonly sinks: readonly PlanSink[];
  /** Every node between sources and sinks, in topological order. Owned by the planner: see `src/engine/planner`. */
  readonly nodes: readonly PlanNode[];
  /** Queues on the edges to nodes that say so, in topological order; absent where there are none. */
  readonly buffers?: readonly PlanBuffer[];
  /** What goes through Kafka to the worker of its key as soon as there are several workers; absent where nothing does. */
  readonly exchanges?: readonly PlanExchange[];
  /** Absent where schemas say nothing of a key. */
  readonly keyTypes?: KeyTypes;
  /** Most workers that can share this plan's work: 1 for local keyed state, else unlimited (splits decide). */
  readonly parallelismLimit: { readonly max: number; readonly reason: string } | null;
}

/** By node, of what type its key is: `text`, `number`, `boolean`, `list of texts`. */
export type KeyTypes = Readonly<Record<string, string>>;

export interface PlanSource {
  readonly node: string;
  /** Name in the connector registry: "kafka" | "datagen" | "file". */
  readonly connector: string;
  /** The connector's own configuration, merged from the node and its connection; secrets are references only. */
  readonly config: unknown;
  readonly secretRef: string | null;
  readonly eventTime: {
    /** Path of the field below `event`, for example ["payload", "ts"]; null takes the record's own timestamp. */
    readonly field: readonly string[] | null;
    readonly maxOutOfOrdernessMs: number;
    readonly idleTimeoutMs: number;
  } | null;
  /** Path of the declared key below `event`, when the source says `partitionedBy`. */
  readonly partitionedBy: readonly string[] | null;
  /** What happens to a record that is not JSON or has no event time. Checked only where a node reads a field. */
  readonly onError: OnError;
  /** It feeds tables only: every worker reads all of it, from where it begins, at each start. */
  readonly broadcast?: true;
}

export interface PlanSink {
  readonly node: string;
  /** "kafka" | "file" | "stdout" | "blackhole". */
  readonly connector: string;
  readonly config: unknown;
  readonly secretRef: string | null;
  readonly inputs: readonly PlanInput[];
  /** Key expression of the outgoing record (CEL over `event`), or null. */
  readonly key: string | null;
  /** Expressions of its headers; absent where there are none. */
  readonly headers?: readonly { readonly name: string; readonly expression: string }[];
  /** What happens to a record whose key expression fails. */
  readonly onError: OnError;
  /** What the sink promises after failures; absent is at least once. */
  readonly delivery?: Delivery;
  /** Set in the plan of several workers: it writes for a keyed node, whose key, errors and dead records are its own. */
  readonly exchange?: Pick<PlanExchange, "reader" | "variable" | "anyValue">;
}

/**
 * An input of a keyed node whose key is not the one that its source is split by. One worker hashes keys itself; several
 * send each record through a topic with a partition for every shard (`withExchanges`).
 */
export interface PlanExchange {
  /** `<reader>~exchange`, of a join `<reader>~exchange-left` and `-right`: no name of a user's. */
  readonly node: string;
  readonly reader: string;
  readonly inputs: readonly PlanInput[];
  readonly key: string;
  /** What the key expression calls the record. */
  readonly variable: "event" | "left" | "right";
  /** Objects are keys, too. */
  readonly anyValue: boolean;
  /** The connection of the Kafka cluster that holds the topic. */
  readonly config: Readonly<Record<string, unknown>>;
  readonly secretRef: string | null;
  readonly onError: OnError;
  readonly delivery?: Delivery;
}

export type Delivery = "AtLeastOnce" | "ExactlyOnce";

/** A queue before a node. The node reads the buffer's output "out" in place of its inputs; a join has one for each. */
export interface PlanBuffer {
  /** `<reader>~buffer`, before a join `<reader>~buffer-left` and `-right`: no names of a user's. */
  readonly node: string;
  readonly reader: string;
  readonly inputs: readonly PlanInput[];
  /** Records that it holds. */
  readonly size: number;
  readonly strategy: BufferStrategy;
  /** With Latest before a keyed node: its key, of which only the newest record is kept. */
  readonly key: string | null;
  /** What the record is called in the key of a join; else "event". */
  readonly variable?: "left" | "right";
}

/** Full: the sources above wait; new records are dropped; the newest are kept; the job fails. */
export type BufferStrategy = "Buffer" | "Drop" | "Latest" | "Error";

export interface PlanInput {
  readonly node: string;
  /** "out", or a side output: "dead", "late", a branch's case. */
  readonly output: string;
}

export type OnError = "Fail" | "Skip" | "Dead";

interface PlanNodeBase {
  readonly name: string;
  readonly inputs: readonly PlanInput[];
  readonly onError: OnError;
}

export type PlanNode =
  | (PlanNodeBase & { readonly kind: "filter"; readonly condition: string })
  | (PlanNodeBase & {
      readonly kind: "map";
      readonly fields: readonly { readonly path: readonly string[]; readonly expression: string }[];
    })
  | (PlanNodeBase & {
      readonly kind: "branch";
      readonly cases: readonly { readonly name: string; readonly when: string }[];
      readonly otherwise: string | null;
    })
  | (PlanNodeBase & { readonly kind: "union" })
  /** Keeps or leaves out fields; paths are below `event`, and none is below another. */
  | (PlanNodeBase & { readonly kind: "select" | "drop"; readonly paths: readonly (readonly string[])[] })
  | (PlanNodeBase & { readonly kind: "flatMap"; readonly expression: string })
  /** Shows the first and then every `every`-th record to the log; `message` is an expression, null shows the record. */
  | (PlanNodeBase & { readonly kind: "peek"; readonly every: number; readonly message: string | null })
  /** Passes everything on: the runtime reads the sources above it more slowly. Over all workers. */
  | (PlanNodeBase & { readonly kind: "rateLimit"; readonly perSecond: number; readonly burst: number })
  | (PlanNodeBase & {
      readonly kind: "windowAggregate";
      readonly key: string;
      /** Field of the result that carries the key: the last name of the key's path, else "key". */
      readonly keyField: string;
      readonly window: PlanWindow;
      /** Whose time it goes by: event time where nothing is said. */
      readonly time?: "processing";
      readonly allowedLatenessMs: number;
      readonly aggregates: readonly PlanAggregate[];
      readonly keying: Keying;
    })
  | (PlanNodeBase & {
      readonly kind: "keyedAggregate";
      readonly key: string;
      readonly keyField: string;
      readonly trigger: PlanTrigger;
      /** After how much time without a change of it a key is forgotten; 0 is never. */
      readonly ttlMs: number;
      readonly aggregates: readonly PlanAggregate[];
      readonly keying: Keying;
    })
  /** Passes the first record of a key on. `anyValue`: objects are keys, too, whatever the order of their fields. */
  | (PlanNodeBase & {
      readonly kind: "dedup";
      readonly key: string;
      readonly anyValue: boolean;
      readonly ttlMs: number;
      readonly keying: Keying;
    })
  /** Keeps the best records of a key, and gives those whose rank changed. */
  | (PlanNodeBase & {
      readonly kind: "topN";
      readonly key: string;
      readonly keyField: string;
      readonly size: number;
      readonly by: string;
      readonly order: "Ascending" | "Descending";
      readonly ttlMs: number;
      readonly keying: Keying;
    })
  /** Pairs of records with one key; the first input is the left side. */
  | (PlanNodeBase & {
      readonly kind: "join";
      /** Over `left`, and over `right`. */
      readonly keys: readonly [string, string];
      readonly times: PlanJoinTimes;
      readonly joinType: "Inner" | "Left" | "Outer";
      /** Over `left` and `right`; null gives `{left, right}`. */
      readonly select: readonly { readonly path: readonly string[]; readonly expression: string }[] | null;
      readonly keying: Keying;
    })
  /** Each record with the rows that another system has of its key. Ends a chain: the rows are awaited. */
  | (PlanNodeBase & {
      readonly kind: "lookup";
      /** Over `left`. */
      readonly key: string;
      readonly joinType: "Inner" | "Left";
      readonly select: readonly { readonly path: readonly string[]; readonly expression: string }[] | null;
      readonly lookup: PlanLookup;
    })
  /** Each record of the first input with the newest one of its key of the second, of which every worker has all. */
  | (PlanNodeBase & {
      readonly kind: "broadcast";
      /** Over `left`, and over `right`. */
      readonly keys: readonly [string, string];
      readonly joinType: "Inner" | "Left";
      readonly select: readonly { readonly path: readonly string[]; readonly expression: string }[] | null;
    })
  /** What the user's function gives for each record, on the plain output or one of `outputs`. */
  | (PlanNodeBase & { readonly kind: "process"; readonly function: PlanFunction; readonly outputs: readonly string[] })
  /** The same with state and timers by key. */
  | (PlanNodeBase & {
      readonly kind: "keyedProcess";
      readonly function: PlanFunction;
      readonly outputs: readonly string[];
      readonly key: string;
      readonly ttlMs: number;
      readonly keying: Keying;
    });

/** What is asked for rows, and how. */
export interface PlanLookup {
  /** Name in the connector registry: "postgres" | "mysql" | "redis" | "http". */
  readonly connector: string;
  readonly config: unknown;
  readonly secretRef: string | null;
  /** Most keys that are asked for at a time. */
  readonly capacity: number;
  /** Of one request. */
  readonly timeoutMs: number;
  /** How often a request is repeated before its records fail; null is until it is answered. */
  readonly retries: number | null;
  readonly cache: PlanLookupCache | null;
}

export interface PlanLookupCache {
  /** Most rows it holds; a key without a row counts as one. */
  readonly rows: number;
  /** After how much time an answer is asked for anew; 0 is never. */
  readonly ttlMs: number;
  /** Whether it also remembers that there is no row. */
  readonly missing: boolean;
}

/** A function of the user's: an export of a module. */
export interface PlanFunction {
  readonly name: string;
  readonly module: PlanModule;
  readonly export: string;
}

/** Where a module is: a key of a ConfigMap, of which the epoch's plan holds a copy, or a file in the worker's pod. */
export type PlanModule = { readonly configMap: string; readonly key: string } | { readonly path: string };

/** Which rows meet: those of one window, those whose time is in left.ts − before … left.ts + after, or all; 0 keeps them for ever. */
export type PlanJoinTimes =
  | { readonly type: "window"; readonly sizeMs: number }
  | { readonly type: "interval"; readonly beforeMs: number; readonly afterMs: number }
  | { readonly type: "unbounded"; readonly ttlMs: number }
  | { readonly type: "temporal" };

/** Nodes with one input that keep state by key. */
export type KeyedPlanNode = Exclude<Extract<PlanNode, { readonly keying: Keying }>, { readonly kind: "join" }>;

/**
 * declared: shard = split index of the source; local: shard = murmur2(key) % maxParallelism; exchanged: the same shard,
 * which is the split of the exchange that the record came through. Only the plan of several workers has the last.
 */
export type Keying = "declared" | "local" | "exchanged";

/** Windows that time ends. */
export type PlanWindow =
  | { readonly type: "tumbling"; readonly sizeMs: number; readonly offsetMs: number }
  | { readonly type: "sliding"; readonly sizeMs: number; readonly everyMs: number }
  | { readonly type: "cumulate"; readonly stepMs: number; readonly maxMs: number }
  | { readonly type: "session"; readonly gapMs: number };

/**
 * When an aggregate without a window of time gives a result. record: after every record. fill: after `size` records of the
 * key, and then starts anew. count: after every `every` records of the key. time: when event time passes a multiple of
 * `everyMs`, for the keys that changed.
 */
export type PlanTrigger =
  | { readonly type: "record" }
  | { readonly type: "fill"; readonly size: number }
  | { readonly type: "count"; readonly every: number }
  | { readonly type: "time"; readonly everyMs: number };

export interface PlanAggregate {
  readonly name: string;
  readonly fn: AggregateFunction;
  readonly arg: string | null;
  /** The limit of collect; the share of percentile, 0 … 1. */
  readonly param?: number;
}

export type AggregateFunction =
  | "count"
  | "sum"
  | "avg"
  | "min"
  | "max"
  /** `min` and `max` of what is a text by its type. */
  | "minText"
  | "maxText"
  | "first"
  | "last"
  | "collect"
  | "countDistinct"
  | "approxCountDistinct"
  | "percentile";
