import { WeirError } from "../../../errors.ts";
import { parseDuration } from "../../../api/duration.ts";
import { DATAGEN_DEFAULTS, type DatagenSource } from "../../../api/datagen.schema.ts";
import { compileFields, type Piece } from "./fields.ts";

/** Makes record `index` of `split`: a pure function of (seed, split, index), whoever asks and whenever. */
export interface Generator {
  readonly splits: number;
  /** Upper bound of a record's size in bytes. */
  readonly maxBytes: number;
  eventTime(split: number, index: number): number;
  /** Writes the record into `buf` at `at` and returns its end. */
  write(buf: Buffer, at: number, record: { split: number; index: number }): number;
}

/** Lane of the random number that moves a record's event time back; fields use lanes from 0 on. */
const TIME_LANE = 0x7fff_ffff;
/** Most digits of an integer that datagen writes, with its sign: timestamps have 13. */
const MAX_DIGITS = 17;

export function datagenGenerator(config: DatagenSource): Generator {
  const pieces = compileFields(config.fields);
  const seed = config.seed ?? DATAGEN_DEFAULTS.seed;
  const splits = config.splits ?? DATAGEN_DEFAULTS.splits;
  const rate = config.rate ?? DATAGEN_DEFAULTS.rate;
  const eventRate = config.eventRate ?? (rate === 0 ? DATAGEN_DEFAULTS.eventRateWithoutRate : rate);
  const msPerIndex = (splits * 1000) / eventRate;
  const startTime = Date.parse(config.startTime ?? DATAGEN_DEFAULTS.startTime);
  const disorder = parseDuration(config.outOfOrderness ?? DATAGEN_DEFAULTS.outOfOrderness);
  refuseKeysWithoutSplit(pieces, splits);

  const eventTime = (split: number, index: number): number => {
    const place = startTime + Math.floor(index * msPerIndex);
    return disorder === 0 ? place : place - pick(hash(seed, split, index, TIME_LANE), disorder + 1);
  };

  const number = (piece: Piece, split: number, index: number): number => {
    switch (piece.kind) {
      case "sequence":
        return piece.start + index;
      case "uniform":
        return piece.min + pick(hash(seed, split, index, piece.lane), piece.span);
      case "label":
        return pick(hash(seed, split, index, piece.lane), piece.count);
      case "key": {
        const own = Math.ceil((piece.count - split) / splits);
        return split + splits * pick(hash(seed, split, index, piece.lane), own);
      }
      case "timestamp":
        return eventTime(split, index);
      case "bytes":
      case "choice":
        return 0;
    }
  };

  return {
    splits,
    maxBytes: pieces.reduce((sum, piece) => sum + maxBytesOf(piece), 0),
    eventTime,
    write: (buf, start, { split, index }) => {
      let at = start;
      for (const piece of pieces) {
        if (piece.kind === "bytes") {
          at += copy(piece.bytes, buf, at);
        } else if (piece.kind === "choice") {
          const value = piece.values[pick(hash(seed, split, index, piece.lane), piece.values.length)];
          if (value !== undefined) at += copy(value, buf, at);
        } else {
          if ("prefix" in piece) at += copy(piece.prefix, buf, at);
          at = writeInteger(buf, at, number(piece, split, index));
        }
      }
      return at;
    },
  };
}

function refuseKeysWithoutSplit(pieces: readonly Piece[], splits: number): void {
  const small = pieces.find((p) => p.kind === "key" && p.count < splits);
  if (small?.kind === "key") {
    throw new WeirError(
      "SPEC_INVALID",
      `datagen: ${small.count} keys cannot be spread over ${splits} splits; lower splits`,
    );
  }
}

function maxBytesOf(piece: Piece): number {
  if (piece.kind === "bytes") return piece.bytes.length;
  if (piece.kind === "choice") return Math.max(...piece.values.map((v) => v.length));
  return MAX_DIGITS + ("prefix" in piece ? piece.prefix.length : 0);
}

/** A byte loop beats Buffer.copy below about 30 bytes, and most pieces are shorter. */
function copy(from: Buffer, to: Buffer, at: number): number {
  const n = from.length;
  if (n > 32) return from.copy(to, at);
  for (let i = 0; i < n; i++) to[at + i] = from[i] as number;
  return n;
}

function writeInteger(buf: Buffer, start: number, value: number): number {
  let at = start;
  let rest = value;
  if (rest < 0) {
    buf[at++] = 45;
    rest = -rest;
  }
  let end = at + 1;
  for (let limit = 10; rest >= limit; limit *= 10) end++;
  for (let i = end - 1; i >= at; i--) {
    const next = Math.floor(rest / 10);
    buf[i] = 48 + (rest - next * 10);
    rest = next;
  }
  return end;
}

/** Uniform in [0, n) from a 32-bit hash. */
const pick = (h: number, n: number): number => Math.floor((h / 4_294_967_296) * n);

/** 32 mixed bits of four numbers: MurmurHash3's block mix and finaliser. */
function hash(seed: number, split: number, index: number, lane: number): number {
  let h = mix(seed | 0, split);
  h = mix(h, index | 0);
  h = mix(h, Math.floor(index / 4_294_967_296));
  h = mix(h, lane);
  h ^= h >>> 16;
  h = Math.imul(h, 0x85eb_ca6b);
  h ^= h >>> 13;
  h = Math.imul(h, 0xc2b2_ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

function mix(h: number, value: number): number {
  let k = Math.imul(value, 0xcc9e_2d51);
  k = (k << 15) | (k >>> 17);
  k = Math.imul(k, 0x1b87_3593);
  const next = h ^ k;
  return (Math.imul((next << 13) | (next >>> 19), 5) + 0xe654_6b64) | 0;
}
