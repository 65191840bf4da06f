import type { PiecePosition, StatePiece } from "../program.ts";
import type { Manifest, Segment } from "./manifest.ts";

/** A segment and the checkpoint whose folder it is in. */
interface Stored extends Segment {
  readonly checkpoint: number;
}

/** What checkpoints hold of one piece of state: all of it once, then what changed. */
interface Chain {
  readonly whole: readonly Stored[];
  readonly wholeAt: PiecePosition;
  readonly changes: readonly Stored[];
  /** How many checkpoints the changes are of. */
  readonly steps: number;
  readonly at: PiecePosition;
}

/** Then their changes are written as one: a restore reads few files, and a checkpoint keeps few older ones alive. */
const MOST_STEPS = 16;
/** Bytes in kept files that nothing needs any more, beyond as many as are needed. */
const TOLERATED_WASTE = 1024 * 1024;

/** Remembers, for one slot in one process, what its checkpoints hold, so that the next one only adds to it. */
export interface Increments {
  begin(checkpoint: number): Increment;
}

/** One checkpoint that is being written. What it stored counts only once its manifest exists. */
export interface Increment {
  /** Of a piece: segments of earlier checkpoints that stay, and what is to be written after them. */
  of(piece: StatePiece): Share;
  /** The manifest exists. */
  accept(manifest: Manifest, bytes: number): void;
}

export interface Share {
  readonly kept: readonly Segment[];
  readonly chunks: Iterable<Buffer>;
  wrote(segments: readonly Segment[]): void;
}

export function newIncrements(): Increments {
  const chains = new WeakMap<object, Chain>();
  const fileBytes = new Map<number, number>();
  let wasteful = false;

  return {
    begin: (checkpoint) => {
      const staged: (() => void)[] = [];
      return {
        of: (piece) => {
          const { of } = piece;
          if (of === undefined) return { kept: [], chunks: piece.whole(), wrote: () => undefined };
          const { base, chunks } = nextOf(wasteful ? undefined : chains.get(of), piece);
          const wrote = (segments: readonly Segment[]): void => {
            const stored = segments.map((s) => ({ ...s, checkpoint }));
            staged.push(() => chains.set(of, grown(base, stored, piece.at)));
          };
          return { kept: base === undefined ? [] : segmentsFor(checkpoint, base), chunks, wrote };
        },
        accept: (manifest, bytes) => {
          for (const apply of staged) apply();
          fileBytes.set(checkpoint, bytes);
          wasteful = isWasteful(manifest, checkpoint, fileBytes);
        },
      };
    },
  };
}

/** What the next checkpoint keeps of a chain, and what it writes. */
function nextOf(chain: Chain | undefined, piece: StatePiece): { base?: Chain; chunks: Iterable<Buffer> } {
  if (chain === undefined || bytesOf(chain.changes) > bytesOf(chain.whole)) return { chunks: piece.whole() };
  const base = chain.steps < MOST_STEPS ? chain : { ...chain, changes: [], steps: 0, at: chain.wholeAt };
  const chunks = piece.since(base.at);
  return chunks === undefined ? { chunks: piece.whole() } : { base, chunks };
}

function grown(base: Chain | undefined, stored: readonly Stored[], at: PiecePosition): Chain {
  if (base === undefined) return { whole: stored, wholeAt: at, changes: [], steps: 0, at };
  // Nothing changed: the next step may well be counted from here.
  const steps = base.steps + (stored.length === 0 ? 0 : 1);
  return { ...base, changes: [...base.changes, ...stored], steps, at };
}

function segmentsFor(checkpoint: number, chain: Chain): Segment[] {
  return [...chain.whole, ...chain.changes].map(({ checkpoint: from, file, ...place }) => ({
    ...place,
    file: from === checkpoint ? file : `../${from}/${file}`,
  }));
}

/** Whether the files that a manifest keeps alive hold far more than what it needs of them. Forgets those it does not. */
function isWasteful(manifest: Manifest, checkpoint: number, fileBytes: Map<number, number>): boolean {
  const segments = manifest.keyed.flatMap((k) => k.shards.flatMap((s) => s.segments));
  const needed = new Set([checkpoint, ...checkpointsNeeded(manifest)]);
  for (const id of fileBytes.keys()) if (!needed.has(id)) fileBytes.delete(id);
  const held = [...fileBytes.values()].reduce((sum, bytes) => sum + bytes, 0);
  return held > 2 * bytesOf(segments) + TOLERATED_WASTE;
}

/** Earlier checkpoints whose files a manifest needs. */
export function checkpointsNeeded(manifest: Manifest): number[] {
  const files = manifest.keyed.flatMap((k) => k.shards.flatMap((s) => s.segments.map((x) => x.file)));
  return [...new Set(files.flatMap((file) => /^\.\.\/([0-9]+)\//.exec(file)?.[1] ?? []).map(Number))];
}

const bytesOf = (segments: readonly Segment[]): number => segments.reduce((sum, s) => sum + s.length, 0);
