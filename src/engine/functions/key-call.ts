import type { FunctionStore } from "./function-store.ts";
import type { KeyEntry } from "./key-entry.ts";
import type { Field, ListField, MapField } from "./stored-value.ts";

type FieldOf<K extends Field["kind"]> = Extract<Field, { kind: K }>;

/** What one call of a function does to its key: all of it stays, or none. */
export class KeyCall {
  timestamp = 0;
  /** The time of the timer that is due; −∞ for a record. */
  after = Number.NEGATIVE_INFINITY;
  key = "";
  shard = 0;
  readonly store: FunctionStore;
  private entry: KeyEntry | undefined;
  private owned = false;
  private wrote = false;
  private running = false;
  private readonly undo: (() => void)[] = [];

  constructor(store: FunctionStore) {
    this.store = store;
  }

  begin(at: { readonly shard: number; readonly key: string }, timestamp: number, after: number): void {
    this.shard = at.shard;
    this.key = at.key;
    this.timestamp = timestamp;
    this.after = after;
    this.entry = this.store.find(at.shard, at.key);
    this.owned = false;
    this.wrote = false;
    this.running = true;
  }

  keep(): void {
    if (this.wrote && this.entry !== undefined)
      this.entry.writtenAt = Math.max(this.timestamp, this.store.now(this.shard));
    this.end();
  }

  takeBack(): void {
    for (let step = this.undo.pop(); step !== undefined; step = this.undo.pop()) step();
    this.end();
  }

  private end(): void {
    this.undo.length = 0;
    this.running = false;
    if (this.owned || this.after > Number.NEGATIVE_INFINITY) this.store.settle(this.shard, this.key);
  }

  now(): KeyEntry | undefined {
    if (!this.running) throw new TypeError("the context was used after the function had returned");
    return this.entry;
  }

  private own(): KeyEntry {
    this.now();
    if (!this.owned) this.entry = this.store.own(this.shard, this.key);
    this.owned = true;
    return this.entry as KeyEntry;
  }

  /** A state as it is; to be read only. */
  field<K extends Field["kind"]>(name: string, kind: K): FieldOf<K> | undefined {
    const field = this.now()?.fields.get(name);
    if (field !== undefined && field.kind !== kind)
      throw new TypeError(`state "${name}" is a ${field.kind}, not a ${kind}`);
    return field as FieldOf<K> | undefined;
  }

  /** Puts another state in a state's place, or none. */
  replace(name: string, field: Field | undefined): void {
    const { fields } = this.own();
    const before = fields.get(name);
    const put = (to: Field | undefined): void => void (to === undefined ? fields.delete(name) : fields.set(name, to));
    put(field);
    this.wrote = true;
    this.undo.push(() => put(before));
  }

  /** Changes a list or map in place; `change` gives what takes it back. */
  change<F extends ListField | MapField>(name: string, empty: F, change: (held: F["held"]) => () => void): void {
    this.field(name, empty.kind);
    this.own();
    if (this.field(name, empty.kind) === undefined) this.replace(name, empty);
    const field = this.field(name, empty.kind) as F;
    this.undo.push(change(field.held));
    this.wrote = true;
  }

  setTimer(name: string, time: number | undefined): void {
    const { timers } = this.own();
    const before = timers.get(name);
    const put = (to: number | undefined): void => void (to === undefined ? timers.delete(name) : timers.set(name, to));
    put(time);
    this.undo.push(() => put(before));
    if (time !== undefined) this.store.armed({ shard: this.shard, key: this.key, name, time });
  }
}
