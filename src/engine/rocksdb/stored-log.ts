import { rowAt, RowWriter } from "../joins/row-codec.ts";
import type { SavedRow } from "../joins/row-codec.ts";
import type { KeyRange, RowAt, Side } from "../joins/row.ts";
import { shardPrefix } from "./entry-store.ts";
import { timeText } from "./ordered-time.ts";
import { numberIn, numberText } from "./number-text.ts";
import { keyText, nameOf } from "./stored-map.ts";
import type { StoredMap, ValueCodec } from "./stored-map.ts";
import type { ValueStore } from "./value-store.ts";

/** Kinds of keys in the database of a join: rows in the order of their arrival, and which rows a key has. */
export const ROWS = 0;
const KEYS = 1;

/** A row as it is kept. */
export interface StoredRow {
  readonly ts: number;
  readonly key: Buffer;
  readonly row: RowAt;
  /** It has had a partner. */
  matched: boolean;
}

/** Rows of a key in order of arrival: the number of each, then its time. */
type RowsOfKey = number[];

/** `RowLog` in RocksDB: the records of one side of a join in one shard and one span of time. */
export class StoredLog {
  readonly end: number;
  readonly side: Side;
  /** Before the rows of this log in the database. */
  readonly prefix: Buffer;
  n = 0;
  private readonly shard: number;
  private readonly span: string;
  private readonly store: ValueStore;
  private readonly rows: StoredMap<StoredRow>;
  private readonly keys: StoredMap<RowsOfKey>;

  constructor(store: ValueStore, { shard, side, end }: { shard: number; side: Side; end: number }) {
    this.store = store;
    this.shard = shard;
    this.side = side;
    this.end = end;
    this.span = `${timeText(end)}${side}`;
    this.prefix = this.prefixOf(ROWS);
    this.rows = store.map(ROWS, ROW_CODECS[side]);
    this.keys = store.map(KEYS, keysCodec);
  }

  private prefixOf(kind: number): Buffer {
    return Buffer.concat([shardPrefix(kind, this.shard), Buffer.from(this.span)]);
  }

  private nameOfRow(row: number): string {
    return nameOf(this.shard, `${this.span}${numberText(row)}`);
  }

  private nameOfKey(key: KeyRange): string {
    return nameOf(this.shard, `${this.span}${keyText(key)}`);
  }

  /** Gives its number. */
  add(row: StoredRow): number {
    const number = this.n++;
    this.rows.put(this.nameOfRow(number), row);
    const name = this.nameOfKey(rangeOf(row.key));
    const all = this.keys.get(name) ?? [];
    all.push(number, row.ts);
    this.keys.put(name, all);
    return number;
  }

  row(number: number): StoredRow {
    return this.rows.get(this.nameOfRow(number)) as StoredRow;
  }

  match(number: number): void {
    const row = this.rows.get(this.nameOfRow(number));
    if (row === undefined || row.matched) return;
    row.matched = true;
    this.rows.put(this.nameOfRow(number), row);
  }

  /** Rows of a key in order of arrival. */
  rowsOf(key: Buffer): readonly number[] {
    return (this.keys.get(this.nameOfKey(rangeOf(key))) ?? []).filter((_, i) => i % 2 === 0);
  }

  /** Rows of a key in a span of time, in order of time, then of arrival. */
  partners(key: Buffer, { from, to }: { from: number; to: number }): readonly number[] {
    const all = this.keys.get(this.nameOfKey(rangeOf(key))) ?? [];
    const found: { number: number; ts: number }[] = [];
    for (let i = 0; i < all.length; i += 2) {
      const ts = all[i + 1] as number;
      if (ts >= from && ts <= to) found.push({ number: all[i] as number, ts });
    }
    return found.sort((a, b) => a.ts - b.ts || a.number - b.number).map(({ number }) => number);
  }

  /** These keys will be asked for soon. */
  want(key: Buffer): void {
    this.keys.want(this.nameOfKey(rangeOf(key)));
  }

  drop(): void {
    this.store.drop(this.rows, this.prefix);
    this.store.drop(this.keys, this.prefixOf(KEYS));
  }
}

/** Of a row's key in the database behind its log's prefix. */
export const numberOf = (key: Buffer): number => numberIn(key.toString("latin1"));

export const rangeOf = (key: Buffer): KeyRange => ({ bytes: key, start: 0, stop: key.length });

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

const NUMBER_BYTES = 8;

const keysCodec: ValueCodec<RowsOfKey> = {
  encode: (rows) => new Uint8Array(Float64Array.from(rows).buffer),
  decode: (bytes) =>
    Array.from({ length: bytes.length / NUMBER_BYTES }, (_, i) => bytes.readDoubleLE(i * NUMBER_BYTES)),
};
