import type { KeyList } from "./key-list.ts";
import { nameOf } from "./stored-map.ts";
import type { StoredMap, ValueCodec } from "./stored-map.ts";
import type { ValueStore } from "./value-store.ts";

/** Kind of keys in the database of a join that it forgets by itself when their time has passed (see `native.cc`). */
const FORGOTTEN = 0;
/** Behind it: what each key has, and full parts of it. */
const KEYS = 0;
const PARTS = 1;

/** Rows of a key in one value; a full part is never written again, so that a row costs the same however many a key has. */
const PART_ROWS = 64;
/** Parts that are read at once. */
const READ_PARTS = 64;
const FIELDS = 2;

/** When it can be forgotten; then the number of each row and its time. */
type Part = readonly number[];
const PART_HEAD = 1;

export interface RowsInLog {
  /** Its `id`. */
  readonly log: number;
  /** Number of the first row. */
  readonly first: number;
  /** Full parts. */
  parts: number;
  /** Rows behind them. */
  last: number[];
}

export interface RowsOfKey {
  /** When the last of its logs has passed. */
  until: number;
  logs: RowsInLog[];
}

export interface TimeRange {
  readonly from: number;
  readonly to: number;
}

export interface RowTime {
  readonly number: number;
  readonly ts: number;
}

/** What an index must know of a log. */
export interface IndexedLog {
  /** No other log ever has it. */
  readonly id: number;
  readonly shard: number;
  /** When it can be dropped. */
  readonly until: number;
  /** What its keys in the database have behind their kind, as text: a character a byte. */
  readonly place: string;
}

/** Which rows in the database a key has, of both sides and of all spans of time: one question for all. A key is its text: `keyText`. */
export class KeyRows {
  private readonly store: ValueStore;
  private readonly isOpen: (log: number) => boolean;
  private readonly keys: StoredMap<RowsOfKey>;
  private readonly parts: StoredMap<Part>;

  constructor(store: ValueStore, isOpen: (log: number) => boolean) {
    this.store = store;
    this.isOpen = isOpen;
    this.keys = store.mapBy(keyForm, keyCodec);
    this.parts = store.mapBy(partForm, partCodec);
  }

  /** Adds rows of a key to those before them. */
  add(log: IndexedLog, key: string, rows: readonly RowTime[]): void {
    const name = nameOf(log.shard, key);
    const all = this.keys.get(name) ?? { until: log.until, logs: [] };
    const found = rowsInLog(all, log) ?? this.open(all, log, rows);
    for (const { number, ts } of rows) {
      found.last.push(number, ts);
      if (found.last.length < PART_ROWS * FIELDS) continue;
      this.parts.put(partName(log, key, found.parts++), [log.until, ...found.last]);
      found.last = [];
    }
    this.keys.put(name, all);
  }

  private open(all: RowsOfKey, log: IndexedLog, [first]: readonly RowTime[]): RowsInLog {
    const rows = { log: log.id, first: first?.number ?? 0, parts: 0, last: [] };
    all.logs = [...all.logs.filter(({ log: id }) => this.isOpen(id)), rows];
    all.until = Math.max(all.until, log.until);
    return rows;
  }

  /** What a key has in all logs. */
  of(shard: number, key: string): RowsOfKey | undefined {
    return this.keys.get(nameOf(shard, key));
  }

  /** The number of its first row; −1 where it has none. */
  first(log: IndexedLog, key: string): number {
    return rowsInLog(this.of(log.shard, key), log)?.first ?? -1;
  }

  /** Rows of a key in one of its logs and in a span of time, in order of arrival. */
  rows(log: IndexedLog, key: string, { of, times }: { of: RowsOfKey | undefined; times: TimeRange }): RowTime[] {
    const rows = rowsInLog(of, log);
    if (rows === undefined) return [];
    const found: RowTime[] = [];
    for (let from = 0; from < rows.parts; from += READ_PARTS) {
      const names = namesOfParts(log, key, { from, to: Math.min(rows.parts, from + READ_PARTS) });
      if (names.length > 1) {
        for (const name of names) this.parts.want(name);
        this.store.fetch();
      }
      for (const name of names) addRows(found, this.parts.get(name) ?? [], { from: PART_HEAD, times });
    }
    addRows(found, rows.last, { from: 0, times });
    return found;
  }

  /** The key will be asked for soon. */
  want(shard: number, key: string): void {
    this.keys.want(nameOf(shard, key));
  }

  /** Its parts will be, the first `most` of them; gives how many are to be read. */
  wantParts(log: IndexedLog, key: string, { parts }: RowsInLog, most: number): number {
    let wanted = 0;
    for (const name of namesOfParts(log, key, { from: 0, to: Math.min(parts, most) }))
      if (this.parts.want(name)) wanted++;
    return wanted;
  }
}

export const rowsInLog = (of: RowsOfKey | undefined, { id }: IndexedLog): RowsInLog | undefined =>
  of?.logs.find(({ log }) => log === id);

const PART_DIGITS = 8;
const partName = ({ place }: IndexedLog, key: string, part: number): string =>
  place + key + part.toString(16).padStart(PART_DIGITS, "0");

function namesOfParts(log: IndexedLog, key: string, { from, to }: { from: number; to: number }): string[] {
  return Array.from({ length: Math.max(0, to - from) }, (_, i) => partName(log, key, from + i));
}

function keyForm(name: string, keys: KeyList): void {
  keys.byte(FORGOTTEN);
  keys.byte(KEYS);
  keys.short(name.charCodeAt(0));
  keys.text(name.slice(1));
}

function partForm(name: string, keys: KeyList): void {
  keys.byte(FORGOTTEN);
  keys.byte(PARTS);
  keys.text(name);
}

function addRows(found: RowTime[], part: Part, { from, times }: { from: number; times: TimeRange }): void {
  for (let i = from; i < part.length; i += FIELDS) {
    const ts = part[i + 1] as number;
    if (ts >= times.from && ts <= times.to) found.push({ number: part[i] as number, ts });
  }
}

const NUMBER_BYTES = 8;
const bytesOf = (numbers: readonly number[]): Uint8Array => new Uint8Array(Float64Array.from(numbers).buffer);

function numbersIn(bytes: Buffer): number[] {
  const numbers: number[] = [];
  for (let at = 0; at < bytes.length; at += NUMBER_BYTES) numbers.push(bytes.readDoubleLE(at));
  return numbers;
}

const partCodec: ValueCodec<Part> = { encode: bytesOf, decode: numbersIn };

/** When all has passed comes first: `native.cc` forgets by it. Then, of each log: id, first row, full parts, how many numbers follow. */
const keyCodec: ValueCodec<RowsOfKey> = {
  encode: ({ until, logs }) => {
    const numbers = [until];
    for (const { log, first, parts, last } of logs) numbers.push(log, first, parts, last.length, ...last);
    return bytesOf(numbers);
  },
  decode: (bytes) => {
    const [until = 0, ...numbers] = numbersIn(bytes);
    const logs: RowsInLog[] = [];
    for (let at = 0; at < numbers.length;) {
      const [log = 0, first = 0, parts = 0, length = 0] = numbers.slice(at, at + HEAD);
      at += HEAD;
      logs.push({ log, first, parts, last: numbers.slice(at, at + length) });
      at += length;
    }
    return { until, logs };
  },
};
const HEAD = 4;
