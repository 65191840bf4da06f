import { partners } from "../joins/partners.ts";
import { rowAt, RowWriter } from "../joins/row-codec.ts";
import type { SavedRow } from "../joins/row-codec.ts";
import { RowLog } from "../joins/row-log.ts";
import type { IncomingRow, KeyRange, RowAt, Side } from "../joins/row.ts";
import { lastNumber } from "./key-list.ts";
import type { KeyList } from "./key-list.ts";
import type { IndexedLog, KeyRows, RowsOfKey, RowTime, TimeRange } from "./key-rows.ts";
import { TIME_BYTES, writeTime } from "./ordered-time.ts";
import { keyText } from "./stored-map.ts";
import type { StoredMap, ValueCodec } from "./stored-map.ts";
import type { ValueStore } from "./value-store.ts";

/** Kind of keys in the database of a join: rows in the order of their arrival. */
export const ROWS = 1;

/** A row as it is kept in the cache. */
export interface StoredRow {
  readonly ts: number;
  readonly key: KeyRange;
  readonly row: RowAt;
  /** It has had a partner. */
  matched: boolean;
}

/** The key of a record; its text, and what it has in the database, are looked for where the database is asked. */
export class SoughtKey {
  readonly range: KeyRange;
  readonly hash: number;
  private readonly keys: KeyRows;
  private readonly shard: number;
  private known: string | undefined;
  private found: { readonly of: RowsOfKey | undefined } | undefined;

  constructor(keys: KeyRows, shard: number, { range, hash }: { range: KeyRange; hash: number }) {
    this.keys = keys;
    this.shard = shard;
    this.range = range;
    this.hash = hash;
  }

  get text(): string {
    return (this.known ??= keyText(this.range));
  }

  get stored(): RowsOfKey | undefined {
    return (this.found ??= { of: this.keys.of(this.shard, this.text) }).of;
  }
}

export interface LogPlace {
  readonly id: number;
  readonly shard: number;
  readonly side: Side;
  readonly end: number;
  readonly until: number;
}

/**
 * `RowLog` in RocksDB: the records of one side of a join in one shard and one span of time. Rows come into memory, where
 * they are as in a join in memory, and go into the database together: then `stored` of them are there, and only those in
 * use are in the cache.
 */
export class StoredLog implements IndexedLog {
  readonly id: number;
  readonly shard: number;
  readonly end: number;
  readonly until: number;
  readonly side: Side;
  readonly place: string;
  /** Rows that are in the database: the first ones. */
  stored = 0;
  /** Those behind them. */
  tail: RowLog | undefined;
  private readonly values: ValueStore;
  private readonly keys: KeyRows;
  private rows: StoredMap<StoredRow, number> | undefined;

  constructor({ values, keys }: { values: ValueStore; keys: KeyRows }, of: LogPlace) {
    this.values = values;
    this.keys = keys;
    this.id = of.id;
    this.shard = of.shard;
    this.side = of.side;
    this.end = of.end;
    this.until = of.until;
    this.place = placeOf(of);
  }

  get n(): number {
    return this.stored + (this.tail?.n ?? 0);
  }

  /** Before the rows of this log in the database. */
  get prefix(): Buffer {
    return Buffer.from(`${String.fromCharCode(ROWS)}${this.place}`, "latin1");
  }

  add(row: IncomingRow): void {
    this.tail ??= new RowLog(this.end);
    this.tail.add(row);
  }

  /** Its rows in memory are in the database now. */
  wasStored(): void {
    this.stored += this.tail?.n ?? 0;
    this.tail = undefined;
    const prefix = this.prefix;
    this.rows ??= this.values.mapBy((number: number, keys: KeyList) => {
      keys.add(prefix);
      keys.number(number);
    }, ROW_CODECS[this.side]);
    this.rows.written = true;
  }

  private row(number: number): StoredRow {
    return this.rows?.get(number) as StoredRow;
  }

  /** Where the record of a row is, and its time. */
  read(number: number, into: RowAt): number {
    const { stored, tail } = this;
    if (number >= stored) {
      tail?.read(number - stored, into);
      return tail?.ts[number - stored] as number;
    }
    const { ts, row } = this.row(number);
    into.bytes = row.bytes;
    into.start = row.start;
    into.end = row.end;
    into.row = undefined;
    return ts;
  }

  /** The row has had a partner, after so many snapshots had begun. */
  match(number: number): void {
    const { stored, tail, values } = this;
    if (number >= stored) return tail?.match(number - stored, values.number);
    const row = this.row(number);
    if (row.matched) return;
    row.matched = true;
    this.rows?.put(number, row);
  }

  isMatched(number: number): boolean {
    const { stored, tail } = this;
    return number >= stored ? tail?.matched(number - stored) !== 0 : this.row(number).matched;
  }

  /** Rows of a key in a span of time, in order of time, then of arrival. */
  partners(key: SoughtKey, range: TimeRange): readonly number[] {
    const rows = this.inTail(key, range);
    return this.stored === 0 ? rows : this.withStored(rows, this.storedRows(key.text, range, key.stored));
  }

  private inTail({ range, hash }: SoughtKey, times: TimeRange): readonly number[] {
    const { tail } = this;
    const entry = tail?.keys.find(range.bytes, range.start, range.stop, hash) ?? -1;
    return tail === undefined || entry < 0 ? [] : partners(tail, entry, times);
  }

  private withStored(inTail: readonly number[], found: RowTime[]): readonly number[] {
    if (found.length === 0 && inTail.length === 0) return inTail;
    const { stored, tail } = this;
    for (const row of inTail) found.push({ number: stored + row, ts: tail?.ts[row] as number });
    return found.sort((a, b) => a.ts - b.ts || a.number - b.number).map(({ number }) => number);
  }

  /** Those of a key that are in the database. */
  storedRows(key: string, times: TimeRange, of = this.keys.of(this.shard, key)): RowTime[] {
    return this.stored === 0 ? [] : this.keys.rows(this, key, { of, times });
  }

  /** This row will be asked for soon; false where it need not be read. */
  want(number: number): boolean {
    return number < this.stored && this.rows?.want(number) === true;
  }

  drop(): void {
    if (this.rows !== undefined) this.values.release(this.rows);
  }
}

const PLACE_BYTES = 11;

/** Side and span first: all shards drop them at the same time. */
function placeOf({ side, end, shard }: LogPlace): string {
  const bytes = Buffer.alloc(PLACE_BYTES);
  spanPlace(side, end).copy(bytes);
  bytes.writeUInt16BE(shard, PLACE_BYTES - 2);
  return bytes.toString("latin1");
}

/** What keys of a side and a span of time have behind their kind. */
export function spanPlace(side: Side, end: number): Buffer {
  const bytes = Buffer.alloc(1 + TIME_BYTES);
  bytes[0] = side;
  writeTime(bytes, end, 1);
  return bytes;
}

/** Of a row's key in the database. */
export const numberOf = lastNumber;

/** A copy of what was read: it must not keep the bytes around it. */
export function storedRow(bytes: Buffer): StoredRow {
  const { ts, key, row, matched } = rowAt(Buffer.from(bytes), 0);
  return { ts, key, matched, row };
}

/** A copy of a row that came. */
export function copyOf({ ts, key, row, matched }: SavedRow): StoredRow {
  const stop = key.stop - key.start;
  const end = stop + row.end - row.start;
  const bytes = Buffer.allocUnsafe(end);
  bytes.set(key.bytes.subarray(key.start, key.stop));
  row.bytes.copy(bytes, stop, row.start, row.end);
  return { ts, matched, key: { bytes, start: 0, stop }, row: { bytes, start: stop, end } };
}

export const keyOf = ({ key }: StoredRow | SavedRow): string => keyText(key);

function rowCodec(side: Side): ValueCodec<StoredRow, unknown> {
  const writer = new RowWriter(0);
  return {
    encode: ({ ts, key, row, matched }) => {
      writer.add({ side, ts, matched, key, row });
      return writer.only();
    },
    decode: storedRow,
  };
}

/** By side, for all logs: each has a buffer that is far bigger than most logs. */
export const ROW_CODECS = [rowCodec(0), rowCodec(1)] as const;
