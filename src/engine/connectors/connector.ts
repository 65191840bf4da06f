import type { Clock } from "../../clock.ts";
import type { Batch, Row } from "../batch.ts";
import type { Delivery, OnError } from "../plan.ts";

/**
 * The connector interface. A connector is a folder here with a `source.ts` and/or `sink.ts` that export one of these
 * factories, registered in `registry.ts`. Everything a factory needs arrives through its context: no globals, no
 * environment, no clock of its own.
 */

export type { Batch, Row } from "../batch.ts";

/** A JSON value that says where to go on in one split. Written into checkpoints: keep it small and versionable. */
export type Position = { readonly [field: string]: unknown };

/** A unit of reading that moves between workers as a whole: a Kafka partition, a file, a datagen partition. */
export interface Split {
  /** Stable for the life of the job, for example "orders-3". Checkpoints are keyed by it. */
  readonly id: string;
  /** 0-based; slot i of n owns the splits with `index % n === i`. For keyed sources it is also the shard. */
  readonly index: number;
}

export interface ConnectorContext {
  readonly node: string;
  /** "<namespace>.<job>", where there is a job: for names that the outside sees. */
  readonly job?: string;
  readonly clock: Clock;
  /** Credentials by key of the node's `secretRef`, read from the mounted files; never logged. */
  readonly secret: (key: string) => string | undefined;
  /**
   * A key of a Secret or ConfigMap that the configuration names, as it is mounted now. Read it when it is needed, for
   * example at each connection: it changes. Never logged.
   */
  readonly referenced: (kind: "Secret" | "ConfigMap", name: string, key: string) => string | undefined;
  /** Maps an absolute path of the pod to one of this process (the embedded kubelet has no mount namespace). */
  readonly resolvePath: (path: string) => string;
  /** A problem that does not end the job: shown as the job's reason while it lasts. `undefined` clears it. */
  readonly report: (
    problem:
      | { code: "SOURCE_UNREACHABLE" | "SINK_UNREACHABLE" | "LOOKUP_UNREACHABLE"; message: string; nextTryAt: number }
      | undefined,
  ) => void;
  readonly signal: AbortSignal;
}

/** What a source is told beyond its configuration. */
export interface SourceContext extends ConnectorContext {
  /** Path of the declared key below `event`: the source must keep every key in one split. */
  readonly partitionedBy: readonly string[] | null;
  /** Of the slot that reads; absent outside of one. */
  readonly epoch?: number;
  /** So many records, 0 where nobody knows, will never be read; the message says which and why. Counted and shown. */
  readonly lost: (records: number, message: string) => void;
  /**
   * How the source's splits were dealt, for a source that takes on new ones while it runs: a split is read by slot
   * `index % slots`. Only for `open`, and absent where an older deal is kept: then it takes on none.
   */
  readonly deal?: { readonly slot: number; readonly slots: number; readonly splits: readonly Split[] };
}

/** Whose writing it is: what is fenced, and decided on, is one slot of one epoch. */
export interface Writing {
  readonly epoch: number;
  readonly slot: number;
}

/** What a sink is told beyond its configuration: who is writing, and what is promised of it. */
export interface SinkContext extends ConnectorContext, Writing {
  readonly delivery: Delivery;
  /** The longest that it is from one commit to the next while no checkpoint fails, ms. */
  readonly commitWithinMs: number;
  readonly lineage: string;
  readonly attempt: number;
  /** What Weir's own sinks of this slot keep in common, by names of their own; as long-lived as the slot. */
  readonly common?: Map<string, unknown>;
  /** What to do with a record that the outside will never take; Fail without it. Dead is not possible behind a sink. */
  readonly onError?: OnError;
  /** Worth a line in the log. */
  readonly warn?: (message: string) => void;
}

/**
 * Factories get the plan's `config` as it is: it passed the schema at admission, so they may narrow it to their own
 * type, but fail with a readable WeirError where the outside disagrees with it.
 */
export interface SourceFactory {
  /** Lists all splits of the source, in index order. Retries by itself while the system is unreachable. */
  splits(config: unknown, ctx: SourceContext): Promise<Split[]>;
  /** Opens the given splits; a split without a position starts where the configuration says. */
  open(config: unknown, assigned: readonly AssignedSplit[], ctx: SourceContext): Promise<SourceReader>;
}

export interface AssignedSplit {
  readonly split: Split;
  /** Where to go on; `undefined` for a split that was never read. */
  readonly position: Position | undefined;
  /**
   * For a split without a position in a restored source: the ids of splits that have one. What was added beside a split
   * that was read is new as a whole, and not to be skipped by "start at the end".
   */
  readonly readBefore?: readonly string[];
}

export interface SourceReader {
  /**
   * The next batch, or `undefined` when none is ready; synchronous. The batch is valid until the next call.
   * After it returns, `positions()` includes the batch: the runtime takes barriers only between batches.
   */
  poll(): Batch | undefined;
  /** Called by the runtime once; the reader calls `wake` whenever `poll` may have something after it had nothing. */
  onReady(wake: () => void): void;
  /** Where each assigned split goes on, after the last polled batch. */
  positions(): ReadonlyMap<string, Position>;
  /** Splits that it has taken on since it was opened; grows. Their positions are in `positions()`. */
  added?(): readonly Split[];
  /** True for a bounded source that has handed out everything. */
  finished(): boolean;
  /** Records not read yet over the assigned splits, as far as known; `undefined` is unknown, never zero. */
  lag(): { records: number; oldestTimestamp?: number } | undefined;
  /** Splits that currently have nothing to read (their watermark may be left out after the idle timeout). */
  idleSplits(): readonly number[];
  /** Splits of a bounded source that have handed out everything: they no longer hold the watermark back. */
  finishedSplits?(): readonly number[];
  /**
   * Only of a source whose writers say how far time is, record by record: the watermark by split index, after the last
   * polled batch, in place of what its records' times would give. A batch may have no records, and say only that. Never
   * goes back; it is in `positions()`. A split in `idleSplits` is idle at once, because its writers have said so.
   */
  watermarks?(): ReadonlyMap<number, number>;
  /**
   * Only of a source whose writers mark savepoints: whether the last polled batch, or one before it, ended with the
   * barrier `id` of every writer, in every assigned split. No batch goes over a barrier.
   */
  passed?(id: string): boolean;
  /** A checkpoint with these positions is complete: commit them where the outside can see them (Kafka group). */
  checkpointed?(positions: ReadonlyMap<string, Position>): Promise<void>;
  close(): Promise<void>;
}

export interface SinkFactory {
  open(config: unknown, ctx: SinkContext): Promise<SinkWriter>;
}

/** Byte ranges of one record for a sink; `keyEnd < 0` is no key, `end < start` no value (a tombstone). One mutable instance per chain: copy, do not keep. */
export interface OutRecord {
  value: Buffer;
  start: number;
  end: number;
  key: Buffer | undefined;
  keyStart: number;
  keyEnd: number;
  /** For sinks with `rows`: the record as an object, in place of its bytes. May be kept, not changed. */
  row?: Row | undefined;
  /** Event time in ms, or the source timestamp when there is no event time. */
  ts: number;
  /** What is written beside the value, where the plan says so: JSON values. */
  headers?: readonly RecordHeader[] | undefined;
}

export type RecordHeader = readonly [name: string, value: unknown];

export interface SinkWriter {
  /** Whether it takes `OutRecord.row`, too. Records that came as bytes, and results of state, come as bytes all the same. */
  readonly rows?: boolean;
  /** Copies the record into the open buffer. Synchronous, never fails for a slow outside: see `saturated`. */
  append(record: OutRecord): void;
  /** True while the sink has taken as much as it may hold; the runtime stops polling sources until `onDrain`. */
  saturated(): boolean;
  onDrain(wake: () => void): void;
  /**
   * Everything appended before the call is accepted by the outside when this resolves. Called at every barrier and at
   * the end; records appended while it is pending belong to the next one.
   */
  flush(): Promise<void>;
  /**
   * What a checkpoint must remember of open work (transactions, part files); `undefined` for at-least-once sinks. Called
   * in the same turn as the checkpoint's `flush`: what is appended from then on belongs to the next checkpoint.
   */
  prepare?(checkpointId: number): Promise<unknown>;
  /** The checkpoint's manifest is durable, and nobody has replaced this worker: make its work visible. Must be repeatable. */
  commit?(checkpointId: number, handle: unknown): Promise<void>;
  /**
   * Only of a sink whose own system decides what counts, because a commit there is atomic with a marker of its
   * checkpoint. Fences whoever else writes as `of`, undoes what it left open, and gives the checkpoint that it committed
   * last: 0 is none. `marked` is what the checkpoints themselves say, for a system that has forgotten (`undefined`: they
   * cannot tell, either); a marker must be there afterwards. Called at a restore, before any append: for earlier epochs
   * that the state comes from, and always for the sink's own epoch and slot. At most one sink of a job may have it.
   */
  committed?(of: Writing, marked: number | undefined): Promise<number | undefined>;
  /**
   * Only together with `committed`: sinks of a slot that give the same name here commit as one, so they decide together,
   * and whichever is asked answers for all. Without it a sink decides alone.
   */
  readonly decidesWith?: string;
  /**
   * At a restore, before any append, for each handle of the checkpoint: makes its commits, unless they are known to have
   * been made, `finished`. Several workers may do it at once, and again. Needed wherever there is `commit` and no
   * `committed`. DELIVERY_AT_RISK says that a commit can never be made.
   */
  recover?(handle: unknown, finished: boolean): Promise<void>;
  /**
   * Only of a sink that another slot's source reads time from, like the three below: nothing at or before `ms` follows
   * what was appended so far. May be called as often as it changes: the sink says it on at its own pace.
   */
  watermark?(ms: number): void;
  /** Nothing is read above it now: it holds no reader's watermark back until it is told otherwise. */
  idle?(idle: boolean): void;
  /** Nothing follows at all. */
  end?(): void;
  /**
   * Everything that savepoint `id` must hold of this slot was appended before. An id is one try: one that is used again
   * after sources went on would be taken for the first.
   */
  barrier?(id: string): void;
  /** Nothing of an earlier epoch is needed any more, in any slot: what was kept outside for it may go. Told to one slot. */
  forgetEarlierEpochs?(): void;
  /** Records and bytes accepted, for metrics; and of the records those that the outside refused and `onError` skipped. */
  counters(): { records: number; bytes: number; refused?: number };
  close(): Promise<void>;
}
