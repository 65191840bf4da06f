/**
 * What the author of a function writes against: `import type { ProcessFunction } from "weir/functions"`. Types only; see
 * docs/reference/functions.md.
 *
 * A function is synchronous, and a pure function of what it is given: its event, its context and its state. After a
 * failure the same events come again, and must have the same effect.
 */

/** What a function is given beside its event. It is good while the function runs, and not after. */
export interface RecordContext<Out = unknown> {
  /** Name of the node. */
  readonly node: string;
  /** `spec.parameters`. */
  readonly parameters: Readonly<Record<string, string>>;
  /** Event time of the record, or the time of the timer, in ms. What is emitted has the same. */
  readonly timestamp: number;
  /**
   * Gives a record, which is copied: objects, lists, text, finite numbers, true, false and null. `output` is one of
   * `process.outputs`; without it, the record goes to those who read the node.
   */
  emit(record: Out, output?: string): void;
}

/** What a function of a node with `keyBy` is given beside its event: the state and the timers of the event's key. */
export interface KeyedContext<Out = unknown, Key = unknown> extends RecordContext<Out> {
  readonly key: Key;
  /** No event older than this is expected, in ms; −Infinity before the first. */
  readonly watermark: number;
  /** By name; a name is of one kind. */
  readonly state: {
    value<T>(name: string): ValueState<T>;
    list<T>(name: string): ListState<T>;
    map<T>(name: string): MapState<T>;
    aggregating<In, Kept, Out = Kept>(name: string, how: Aggregator<In, Kept, Out>): AggregatingState<In, Out>;
  };
  readonly timers: Timers;
}

/**
 * State is kept by copy: what `get` gives is the function's own, and a change of it is saved by `set`. Values are objects,
 * lists, text, finite numbers, true, false and null.
 */
export interface ValueState<T> {
  get(): T | undefined;
  set(value: T): void;
  clear(): void;
}

export interface ListState<T> {
  readonly size: number;
  get(): T[];
  add(value: T): void;
  set(values: readonly T[]): void;
  clear(): void;
}

export interface MapState<T> {
  readonly size: number;
  get(name: string): T | undefined;
  has(name: string): boolean;
  set(name: string, value: T): void;
  delete(name: string): void;
  /** In the order in which the names were set first. */
  entries(): [name: string, value: T][];
  clear(): void;
}

/** Takes values in one by one and keeps what they come to, as a value of that name: `state.value(name)` is the same state. */
export interface AggregatingState<In, Out> {
  /** Undefined before the first value. */
  get(): Out | undefined;
  add(value: In): void;
  clear(): void;
}

/** What values come to: `{initial: 0, add: (sum, n) => sum + n}`. */
export interface Aggregator<In, Kept, Out = Kept> {
  readonly initial: Kept;
  /** Gives what is kept from now on. */
  add(kept: Kept, value: In): Kept;
  /** What `get` gives; without it what is kept. */
  result?(kept: Kept): Out;
}

/** Timers of event time, by name: each stands at one time, and setting it again moves it. */
export interface Timers {
  /** Due when the watermark has come to `time`, in ms. In `onTimer`, `time` must be later than the timer that is due. */
  set(name: string, time: number): void;
  get(name: string): number | undefined;
  delete(name: string): void;
}

export interface DueTimer {
  readonly name: string;
  readonly time: number;
}

/** What a node with `process` and without `keyBy` runs. */
export type ProcessFunction<In = unknown, Out = unknown> = (event: In, context: RecordContext<Out>) => void;

/** What a node with `process` and `keyBy` runs; a `ProcessFunction` that needs no timers may be one, too. */
export interface KeyedProcessFunction<In = unknown, Out = unknown, Key = unknown> {
  onRecord(event: In, context: KeyedContext<Out, Key>): void;
  onTimer?(timer: DueTimer, context: KeyedContext<Out, Key>): void;
  /** Version of what it keeps, 1 if it does not say. Saved state of an older one goes through `migrate`. */
  readonly stateVersion?: number;
  /** Makes the state of one key, as version `from` kept it, into that of this version. */
  migrate?(saved: SavedState, from: number): SavedState;
}

/** All that is kept of one key, by name of the state. */
export interface SavedState {
  readonly values: Readonly<Record<string, unknown>>;
  readonly lists: Readonly<Record<string, readonly unknown[]>>;
  readonly maps: Readonly<Record<string, ReadonlyMap<string, unknown>>>;
}
