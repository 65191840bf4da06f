import type { Database } from "./database.ts";
import { DueHeap } from "./due-heap.ts";
import { readTime, TIME_BYTES, writeTime } from "./ordered-time.ts";
import { PackedWrites, wholeOf } from "./packed-writes.ts";

/** Timers that are in memory at most where nothing else is said, and how many are read at once. */
const MOST_IN_FRONT = 512;
const PART = 256;
/** What one takes in memory, about. */
const TIMER_BYTES = 128;
const READ_BYTES = 16 * 1024;
const WRITE_BYTES = 16 * 1024;

interface Timer {
  readonly at: number;
  readonly id: string;
}

const compareTimers = (a: Timer, b: Timer): number => a.at - b.at || (a.id === b.id ? 0 : a.id < b.id ? -1 : 1);

/**
 * What is due when, by time and then by id: the first ones in memory, the others in the database, which keeps them in order.
 * Ids may be in it several times, and after what they name is gone. No snapshot has it: what is restored sets its timers.
 */
export class StoredTimers {
  private readonly database: Database;
  private readonly prefix: Buffer;
  private readonly most: number;
  private readonly writes = new PackedWrites(1024);
  private readonly front = new DueHeap(compareTimers);
  /** All of the database come after this one; nothing is there where it is absent. */
  private rest: Timer | undefined;

  constructor(database: Database, prefix: Buffer, cacheBytes = 0) {
    this.database = database;
    this.prefix = prefix;
    this.most = Math.max(MOST_IN_FRONT, Math.floor(cacheBytes / TIMER_BYTES));
  }

  /** The earliest time; +∞ where there is none. */
  get next(): number {
    return this.first()?.at ?? Number.POSITIVE_INFINITY;
  }

  add(at: number, id: string): void {
    const timer = { at, id };
    if (this.rest !== undefined && compareTimers(timer, this.rest) > 0) return this.store([timer]);
    this.front.add(timer);
    if (this.front.size > this.most) this.spill();
  }

  /** Takes the first if it is due by then. */
  take(by: number): Timer | undefined {
    const first = this.first();
    return first !== undefined && first.at <= by ? this.front.take() : undefined;
  }

  /** Takes all that are due by then, one after the other; some at a time, before which `soon` is told where their ids are. */
  *due(by: number, soon: (ids: () => readonly string[]) => void): Generator<Timer> {
    while (this.next <= by) {
      soon(() => this.front.due(by, PART).map(({ id }) => id));
      for (let n = PART; n > 0; n--) {
        const timer = this.take(by);
        if (timer === undefined) return;
        yield timer;
      }
    }
  }

  private first(): Timer | undefined {
    if (this.front.size === 0 && this.rest !== undefined) this.refill();
    return this.front.first;
  }

  private spill(): void {
    const timers = this.front.inOrder();
    const later = timers.splice(this.most >> 1);
    this.rest = timers.at(-1) as Timer;
    this.front.reset(timers);
    this.store(later);
  }

  private store(timers: readonly Timer[]): void {
    for (const timer of timers) this.writes.value(wholeOf(this.keyOf(timer)), 0, NOTHING);
    if (this.writes.length > WRITE_BYTES) this.database.write(this.writes);
  }

  /** Moves the next ones from the database to the front. */
  private refill(): void {
    this.database.write(this.writes);
    const found = this.read();
    for (const timer of found) this.writes.delete(this.keyOf(timer));
    this.rest = found.length < PART ? undefined : found.at(-1);
    this.front.reset(found);
  }

  /** As many as are moved at once, or all where there are fewer. */
  private read(): Timer[] {
    const found: Timer[] = [];
    const first = this.keyOf(this.rest as Timer);
    this.database.withSnapshot((snapshot) => {
      for (const part of snapshot.pairs(this.prefix, { first, bytes: READ_BYTES })) {
        for (const { key } of part) found.push(timerOf(key));
        if (found.length >= PART) break;
      }
    });
    return found;
  }

  private keyOf({ at, id }: Timer): Buffer {
    const { prefix } = this;
    const key = Buffer.allocUnsafe(prefix.length + TIME_BYTES + id.length * 2);
    prefix.copy(key);
    writeTime(key, at, prefix.length);
    // Units of two bytes, big endian: their bytes are in the order of the text.
    for (let i = 0, to = prefix.length + TIME_BYTES; i < id.length; i++, to += 2)
      key.writeUInt16BE(id.charCodeAt(i), to);
    return key;
  }
}

const NOTHING = new Uint8Array(0);

function timerOf(key: Buffer): Timer {
  let id = "";
  for (let i = TIME_BYTES; i < key.length; i += 2) id += String.fromCharCode(key.readUInt16BE(i));
  return { at: readTime(key), id };
}
