import { shardPrefix } from "./entry-store.ts";
import { numberText } from "./number-text.ts";
import { nameOf } from "./stored-map.ts";
import type { StoredMap, ValueCodec } from "./stored-map.ts";
import type { ValueStore } from "./value-store.ts";

/** Kinds of keys in the database of a join, beside the rows: what each key has, and full parts of it. */
const KEYS = 1;
const PARTS = 3;

/** Rows of a key in one value; a full part is never written again, so that a row costs the same however many a key has. */
const PART_ROWS = 64;
/** Parts that are read at once. */
const READ_PARTS = 64;
const FIELDS = 2;

/** The number of each row, then its time. */
type Part = number[];

interface RowsOfKey {
  /** Number of the first row. */
  readonly first: number;
  /** Full parts. */
  parts: number;
  /** Rows behind them. */
  last: Part;
}

export interface RowTime {
  readonly number: number;
  readonly ts: number;
}

/** Which rows of a log each key has, in order of arrival. A key is its text: `keyText`. */
export class KeyRows {
  private readonly store: ValueStore;
  private readonly shard: number;
  private readonly span: string;
  /** What the names begin with. */
  private readonly before: string;
  private readonly keys: StoredMap<RowsOfKey>;
  private readonly parts: StoredMap<Part>;

  constructor(store: ValueStore, { shard, span }: { shard: number; span: string }) {
    this.store = store;
    this.shard = shard;
    this.span = span;
    this.before = nameOf(shard, span);
    this.keys = store.map(KEYS, keyCodec);
    this.parts = store.map(PARTS, partCodec);
  }

  private nameOf(key: string): string {
    return this.before + key;
  }

  private nameOfPart(key: string, part: number): string {
    return this.before + key + numberText(part);
  }

  add(key: string, number: number, ts: number): void {
    const name = this.nameOf(key);
    const rows = this.keys.get(name) ?? { first: number, parts: 0, last: [] };
    rows.last.push(number, ts);
    if (rows.last.length === PART_ROWS * FIELDS) {
      this.parts.put(this.nameOfPart(key, rows.parts++), rows.last);
      rows.last = [];
    }
    this.keys.put(name, rows);
  }

  /** The number of its first row; −1 where it has none. */
  first(key: string): number {
    return this.keys.get(this.nameOf(key))?.first ?? -1;
  }

  *rows(key: string): Generator<RowTime> {
    const rows = this.keys.get(this.nameOf(key));
    if (rows === undefined) return;
    for (let from = 0; from < rows.parts; from += READ_PARTS) {
      const names = this.namesOfParts(key, from, Math.min(rows.parts, from + READ_PARTS));
      if (names.length > 1) {
        for (const name of names) this.parts.want(name);
        this.store.fetch();
      }
      for (const name of names) yield* rowsIn(this.parts.get(name) ?? []);
    }
    yield* rowsIn(rows.last);
  }

  /** The key will be asked for soon. */
  want(key: string): void {
    this.keys.want(this.nameOf(key));
  }

  /** Its parts will be, the first `most` of them; gives how many are to be read. */
  wantParts(key: string, most: number): number {
    const { parts = 0 } = this.keys.get(this.nameOf(key)) ?? {};
    return this.namesOfParts(key, 0, Math.min(parts, most)).filter((name) => this.parts.want(name)).length;
  }

  private namesOfParts(key: string, from: number, to: number): string[] {
    return Array.from({ length: to - from }, (_, i) => this.nameOfPart(key, from + i));
  }

  drop(): void {
    const prefixOf = (kind: number): Buffer => Buffer.concat([shardPrefix(kind, this.shard), Buffer.from(this.span)]);
    this.store.drop(this.keys, prefixOf(KEYS));
    this.store.drop(this.parts, prefixOf(PARTS));
  }
}

function* rowsIn(part: Part): Generator<RowTime> {
  for (let i = 0; i < part.length; i += FIELDS) yield { number: part[i] as number, ts: part[i + 1] as number };
}

const NUMBER_BYTES = 8;
const bytesOf = (numbers: readonly number[]): Uint8Array => new Uint8Array(Float64Array.from(numbers).buffer);
const numbersIn = (bytes: Buffer): number[] =>
  Array.from({ length: bytes.length / NUMBER_BYTES }, (_, i) => bytes.readDoubleLE(i * NUMBER_BYTES));

const partCodec: ValueCodec<Part> = { encode: bytesOf, decode: numbersIn };

const keyCodec: ValueCodec<RowsOfKey> = {
  encode: ({ first, parts, last }) => bytesOf([first, parts, ...last]),
  decode: (bytes) => {
    const [first = 0, parts = 0, ...last] = numbersIn(bytes);
    return { first, parts, last };
  },
};
