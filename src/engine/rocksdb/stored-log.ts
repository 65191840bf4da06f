import { rowAt, RowWriter } from "../joins/row-codec.ts";
import type { SavedRow } from "../joins/row-codec.ts";
import type { KeyRange, RowAt, Side } from "../joins/row.ts";
import { shardPrefix } from "./entry-store.ts";
import { KeyRows } from "./key-rows.ts";
import { numberIn, numberText } from "./number-text.ts";
import { timeText } from "./ordered-time.ts";
import { keyText, nameOf } from "./stored-map.ts";
import type { StoredMap, ValueCodec } from "./stored-map.ts";
import type { ValueStore } from "./value-store.ts";

/** Kind of keys in the database of a join: rows in the order of their arrival. */
const ROWS = 0;
/** Rows that are read at once. */
const READ_ROWS = 256;

/** A row as it is kept. */
export interface StoredRow {
  readonly ts: number;
  readonly key: Buffer;
  readonly row: RowAt;
  /** It has had a partner. */
  matched: boolean;
}

export interface NumberedRow {
  readonly number: number;
  readonly row: StoredRow;
}

export interface TimeRange {
  readonly from: number;
  readonly to: number;
}

/** `RowLog` in RocksDB: the records of one side of a join in one shard and one span of time. */
export class StoredLog {
  readonly end: number;
  readonly side: Side;
  /** Before the rows of this log in the database. */
  readonly prefix: Buffer;
  /** Which rows a key has. */
  readonly keys: KeyRows;
  n = 0;
  /** What the names of rows begin with. */
  private readonly before: string;
  private readonly store: ValueStore;
  private readonly rows: StoredMap<StoredRow>;

  constructor(store: ValueStore, { shard, side, end }: { shard: number; side: Side; end: number }) {
    this.store = store;
    this.side = side;
    this.end = end;
    const span = `${timeText(end)}${side}`;
    this.before = nameOf(shard, span);
    this.prefix = Buffer.concat([shardPrefix(ROWS, shard), Buffer.from(span)]);
    this.rows = store.map(ROWS, ROW_CODECS[side]);
    this.keys = new KeyRows(store, { shard, span });
  }

  private nameOf(row: number): string {
    return this.before + numberText(row);
  }

  /** Adds a row of a key, and gives its number. */
  add(key: string, row: StoredRow): number {
    const number = this.n++;
    this.rows.put(this.nameOf(number), row);
    this.keys.add(key, number, row.ts);
    return number;
  }

  row(number: number): StoredRow {
    return this.rows.get(this.nameOf(number)) as StoredRow;
  }

  match(number: number): void {
    const name = this.nameOf(number);
    const row = this.rows.get(name);
    if (row === undefined || row.matched) return;
    row.matched = true;
    this.rows.put(name, row);
  }

  /** Rows of a key in order of arrival. */
  *rowsOf(key: string): Generator<NumberedRow> {
    const numbers = Array.from(this.keys.rows(key), ({ number }) => number);
    yield* this.read(numbers);
  }

  /** Rows of a key in a span of time, in order of time, then of arrival. */
  *partners(key: string, range: TimeRange): Generator<NumberedRow> {
    const found = Array.from(this.keys.rows(key)).filter(({ ts }) => isWithin(ts, range));
    found.sort((a, b) => a.ts - b.ts || a.number - b.number);
    yield* this.read(found.map(({ number }) => number));
  }

  /** Several in one call. They are not to be changed: `match` does that. */
  private *read(numbers: readonly number[]): Generator<NumberedRow> {
    for (let at = 0; at < numbers.length; at += READ_ROWS) {
      if (at > 0) this.store.room();
      const part = numbers.slice(at, at + READ_ROWS);
      if (part.length > 1) {
        for (const number of part) this.wantRow(number);
        this.store.fetch();
      }
      for (const number of part) yield { number, row: this.row(number) };
    }
  }

  /** This row will be asked for soon; false where it need not be read. */
  wantRow(number: number): boolean {
    return this.rows.want(this.nameOf(number));
  }

  drop(): void {
    this.store.drop(this.rows, this.prefix);
    this.keys.drop();
  }
}

export const isWithin = (ts: number, { from, to }: TimeRange): boolean => ts >= from && ts <= to;

/** Of a row's key in the database behind its log's prefix. */
export const numberOf = (key: Buffer): number => numberIn(key.toString("latin1"));

export const rangeOf = (key: Buffer): KeyRange => ({ bytes: key, start: 0, stop: key.length });

/** As `KeyRows` has it. */
export const keyOf = ({ key }: StoredRow): string => keyText(rangeOf(key));

/** A copy of what was read: it must not keep the bytes around it. */
export function storedRow({ ts, key, row, matched }: SavedRow): StoredRow {
  const bytes = Buffer.from(row.bytes.subarray(row.start, row.end));
  const own = Buffer.from(key.bytes.subarray(key.start, key.stop));
  return { ts, key: own, matched, row: { bytes, start: 0, end: bytes.length, row: undefined } };
}

function rowCodec(side: Side): ValueCodec<StoredRow> {
  const writer = new RowWriter(0);
  return {
    encode: ({ ts, key, row, matched }) => {
      writer.add({ side, ts, matched, key: rangeOf(key), row });
      return writer.only();
    },
    decode: (bytes) => storedRow(rowAt(bytes, 0)),
  };
}

/** By side, for all logs: each has a buffer that is far bigger than most logs. */
export const ROW_CODECS = [rowCodec(0), rowCodec(1)] as const;
