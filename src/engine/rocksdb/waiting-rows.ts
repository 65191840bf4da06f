import type { Database } from "./database.ts";
import { DueHeap } from "./due-heap.ts";
import { NUMBER_DIGITS, numberIn, numberText } from "./number-text.ts";
import { ROW_CODECS } from "./stored-log.ts";
import type { StoredRow } from "./stored-log.ts";
import { nameOf } from "./stored-map.ts";
import type { StoredMap } from "./stored-map.ts";
import { StoredTimers } from "./stored-timers.ts";
import { ValueStore } from "./value-store.ts";

/** Rows that are handed out together at most. */
const PART = 256;
/** What a row in memory takes beside its bytes, about. */
const OBJECT_BYTES = 300;
/** Of the rows in memory, those that go into the database at once. */
const STORED_SHARE = 1 / 4;
/** Of the memory, for rows on their way to and from the database. */
const PASSING_SHARE = 1 / 8;

/** A row until it is due. */
export interface WaitingRow {
  readonly at: number;
  readonly shard: number;
  /** In order of arrival. */
  readonly number: number;
  readonly row: StoredRow;
}

const compareRows = (a: WaitingRow, b: WaitingRow): number => a.at - b.at || a.shard - b.shard || a.number - b.number;
const bytesOf = ({ row: { key, row } }: WaitingRow): number =>
  OBJECT_BYTES + key.stop - key.start + row.end - row.start;

/** Kinds of keys in the database: rows by the order of their arrival, and when they are due. */
export interface WaitingKinds {
  readonly rows: number;
  readonly timers: Buffer;
}

/**
 * Rows until they are due. Those that are due first are in memory; the others, when they are too many, are in the database, and
 * all of them are due later than any in memory.
 */
export class WaitingRows {
  private readonly front = new DueHeap(compareRows);
  private frontBytes = 0;
  /** Rows that arrived before may be in a snapshot; of those, what it alone has by now. */
  private heldBelow = 0;
  private heldBytes = 0;
  private readonly store: ValueStore;
  private readonly later: StoredMap<StoredRow>;
  private readonly timers: StoredTimers;
  private count = 0;

  constructor(database: Database, memory: number, kinds: WaitingKinds) {
    this.store = new ValueStore(database, memory * PASSING_SHARE);
    this.later = this.store.map(kinds.rows, ROW_CODECS[0]);
    this.timers = new StoredTimers(database, kinds.timers);
  }

  /** Takes in memory, about. */
  get bytes(): number {
    return this.frontBytes + this.heldBytes + this.store.bytes;
  }

  add(shard: number, row: StoredRow): void {
    const waiting = { at: row.ts, shard, number: this.count++, row };
    if (waiting.at >= this.timers.next) return this.put(waiting);
    this.front.add(waiting);
    this.frontBytes += bytesOf(waiting);
  }

  private put({ at, shard, number, row }: WaitingRow): void {
    const name = nameOf(shard, numberText(number));
    this.later.add(name, row);
    this.timers.add(at, name);
  }

  /** Rows in memory may take so much, which may be less than nothing. */
  room(bytes: number): void {
    while (this.front.size > 0 && this.frontBytes > bytes) this.spill();
    this.store.room();
  }

  /** Moves the last ones into the database: all of their times. */
  private spill(): void {
    const rows = this.front.inOrder();
    let from = Math.floor(rows.length * (1 - STORED_SHARE));
    const at = rows[from]?.at;
    while (from > 0 && rows[from - 1]?.at === at) from--;
    for (const waiting of rows.splice(from)) {
      this.left(waiting);
      this.put(waiting);
    }
    this.front.reset(rows);
  }

  /** Takes all that are due by then, in order of time, of shards, and of arrival, some at a time. */
  *due(by: number): Generator<readonly WaitingRow[]> {
    for (;;) {
      const rows = this.fromMemory(by);
      if (rows.length === 0) rows.push(...this.fromDatabase(by));
      if (rows.length === 0) return;
      yield rows;
    }
  }

  private fromMemory(by: number): WaitingRow[] {
    const rows: WaitingRow[] = [];
    for (let { first } = this.front; first !== undefined && first.at <= by; { first } = this.front) {
      if (rows.length === PART) break;
      rows.push(first);
      this.front.take();
      this.left(first);
    }
    return rows;
  }

  private left(waiting: WaitingRow): void {
    const bytes = bytesOf(waiting);
    this.frontBytes -= bytes;
    if (waiting.number < this.heldBelow) this.heldBytes += bytes;
  }

  private fromDatabase(by: number): WaitingRow[] {
    const names: string[] = [];
    while (names.length < PART) {
      const timer = this.timers.take(by);
      if (timer === undefined) break;
      names.push(timer.id);
    }
    for (const name of names) this.later.want(name);
    this.store.fetch();
    const rows = names.map((name): WaitingRow => {
      const row = this.later.get(name) as StoredRow;
      return { at: row.ts, shard: name.charCodeAt(0), number: numberIn(name.slice(1, 1 + NUMBER_DIGITS)), row };
    });
    for (const name of names) this.later.delete(name);
    this.store.room();
    return rows;
  }

  /** Those in memory, which no snapshot of the database has; it has all others. */
  barrier(): WaitingRow[] {
    this.store.flush();
    this.heldBelow = this.count;
    return this.front.all();
  }

  /** No snapshot is left. */
  letGo(): void {
    this.heldBelow = 0;
    this.heldBytes = 0;
  }
}
