import { WeirError } from "../../errors.ts";
import { MAX_BATCH_RECORDS, type Batch } from "../batch.ts";
import type { OutRecord } from "../connectors/connector.ts";
import type { PlanBuffer } from "../plan.ts";

/** What waits: records, and between them how far event time has come and whether anything is still to be expected. */
type Item =
  | {
      readonly kind: "record";
      readonly value: Buffer;
      /** A tombstone: no value, which is not an empty one. */
      readonly none: boolean;
      readonly ts: number;
      readonly split: number;
      readonly key: string | undefined;
      /** Another record took its place. */
      gone: boolean;
    }
  | { readonly kind: "watermark"; readonly watermark: number }
  | { readonly kind: "idle"; readonly idle: boolean };
type Waiting = Extract<Item, { kind: "record" }>;

/** Places of replaced records are kept up to so many before the list is made anew. */
const MAX_GONE = 1024;
/** A buffer is full at its size, or when its records have so many bytes. */
const MAX_BYTES = 64 * 1024 * 1024;

/**
 * The queue of one edge, between a chain that fills it and one that reads it. Everything stays in the order it came, so a
 * watermark never overtakes a record. What happens when it is full is the edge's strategy: with Buffer it takes on what
 * still comes, because `full` stops the sources above it.
 */
export class EdgeBuffer {
  readonly plan: PlanBuffer;
  dropped = 0;
  private items: Item[] = [];
  private head = 0;
  private records = 0;
  private bytes = 0;
  private gone = 0;
  /** What went on although there was no room for it: else each checkpoint would make this buffer's room behind it. */
  private spilt = { records: 0, bytes: 0 };
  private readonly byKey = new Map<string, Waiting>();
  /** What waits, the oldest first: only Latest takes records out of the middle. */
  private readonly order = new Set<Waiting>();
  private readonly batch: Batch;

  constructor(plan: PlanBuffer) {
    this.plan = plan;
    this.batch = {
      split: 0,
      n: 0,
      buf: Buffer.alloc(0),
      off: new Int32Array(MAX_BATCH_RECORDS),
      len: new Int32Array(MAX_BATCH_RECORDS),
      ts: new Float64Array(MAX_BATCH_RECORDS),
      key: undefined,
      describe: () => `in the buffer before "${plan.reader}"`,
    };
  }

  /** Records that wait. */
  get pending(): number {
    return this.records;
  }

  get empty(): boolean {
    return this.head === this.items.length;
  }

  /** The sources above must wait. */
  get full(): boolean {
    return this.plan.strategy === "Buffer" && !this.hasRoom();
  }

  private hasRoom(): boolean {
    const { records, bytes } = this.spilt;
    return this.records + records < this.plan.size && this.bytes + bytes < MAX_BYTES;
  }

  append(record: OutRecord, split: number): void {
    const key = record.keyEnd < 0 ? undefined : record.key?.toString("utf8", record.keyStart, record.keyEnd);
    const older = key === undefined ? undefined : this.byKey.get(key);
    if (older !== undefined) this.replace(older);
    else if (!this.hasRoom() && !this.overflow()) return;
    const none = record.end < record.start;
    const value = Buffer.from(record.value.subarray(record.start, none ? record.start : record.end));
    const item: Waiting = { kind: "record", value, none, ts: record.ts, split, key, gone: false };
    this.items.push(item);
    this.records++;
    this.bytes += value.length;
    if (this.plan.strategy === "Latest") this.order.add(item);
    if (key !== undefined) this.byKey.set(key, item);
  }

  watermark(watermark: number): void {
    if (this.items.at(-1)?.kind === "watermark" && !this.empty) this.items.pop();
    this.items.push({ kind: "watermark", watermark });
  }

  idle(idle: boolean): void {
    this.items.push({ kind: "idle", idle });
  }

  /** There is room behind again; whether that makes room here. */
  regain(): boolean {
    if (this.spilt.records === 0) return false;
    this.spilt = { records: 0, bytes: 0 };
    return true;
  }

  /** The next records of one split, or the next sign between records. A batch is valid until the next call. */
  next(spills = false): Batch | Exclude<Item, Waiting> | undefined {
    this.skipGone();
    const item = this.items[this.head];
    if (item === undefined) return undefined;
    if (item.kind === "record") return this.nextBatch(item.split, spills);
    this.head++;
    this.shorten();
    return item;
  }

  private nextBatch(split: number, spills: boolean): Batch {
    const { batch } = this;
    const values: Buffer[] = [];
    let at = 0;
    for (; values.length < MAX_BATCH_RECORDS; this.head++) {
      const item = this.items[this.head];
      if (item?.kind !== "record" || (item.split !== split && !item.gone)) break;
      if (item.gone) {
        this.gone--;
        continue;
      }
      const i = values.push(item.value) - 1;
      batch.off[i] = at;
      batch.len[i] = item.none ? -1 : item.value.length;
      batch.ts[i] = item.ts;
      at += item.value.length;
      this.order.delete(item);
      if (item.key !== undefined) this.byKey.delete(item.key);
    }
    batch.split = split;
    batch.n = values.length;
    batch.buf = Buffer.concat(values, at);
    this.records -= values.length;
    this.bytes -= at;
    if (spills) this.spilt = { records: this.spilt.records + values.length, bytes: this.spilt.bytes + at };
    this.shorten();
    return batch;
  }

  /** Whether the record that does not fit is taken all the same. */
  private overflow(): boolean {
    const { strategy, size, reader } = this.plan;
    switch (strategy) {
      case "Buffer":
        return true;
      case "Drop":
        this.dropped++;
        return false;
      case "Latest":
        this.replace(this.order.values().next().value);
        return true;
      case "Error":
        throw new WeirError(
          "BUFFER_FULL",
          `the buffer before "${reader}" is full with ${size} records, and its strategy is Error; make "${reader}" faster, the buffer larger, or take another strategy`,
        );
    }
  }

  private replace(item: Waiting | undefined): void {
    if (item === undefined) return;
    item.gone = true;
    this.gone++;
    this.dropped++;
    this.records--;
    this.bytes -= item.value.length;
    this.order.delete(item);
    if (item.key !== undefined) this.byKey.delete(item.key);
    if (this.gone < MAX_GONE || this.gone < this.records) return;
    this.items = compacted(this.items.slice(this.head));
    this.head = 0;
    this.gone = 0;
  }

  private skipGone(): void {
    for (; ; this.head++, this.gone--) {
      const item = this.items[this.head];
      if (item?.kind !== "record" || !item.gone) return;
    }
  }

  private shorten(): void {
    if (this.head < this.items.length && this.head < MAX_GONE) return;
    this.items = this.items.slice(this.head);
    this.head = 0;
  }
}

/** Without the replaced records; of signs that have come together only the last of their kind says something. */
function compacted(items: readonly Item[]): Item[] {
  const kept: Item[] = [];
  for (const item of items) {
    if (item.kind === "record" && item.gone) continue;
    if (item.kind !== "record") removeFromEnd(kept, item.kind);
    kept.push(item);
  }
  return kept;
}

function removeFromEnd(items: Item[], kind: "watermark" | "idle"): void {
  for (let i = items.length - 1; i >= 0 && items[i]?.kind !== "record"; i--)
    if (items[i]?.kind === kind) items.splice(i, 1);
}
