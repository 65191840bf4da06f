/** Of smaller pieces the object costs more than the memory; of larger ones the system gives and takes back pages. */
const SMALLEST = 128;
const LARGEST = 1024 * 1024;
/** A larger one does as well, of less than twice the size. */
const NEAR = 4;
const MOST = 64 * 1024 * 1024;

/** Pieces of one size that wait to be used again. */
interface Shelf {
  readonly pieces: ArrayBuffer[];
  /** When one was taken last, or should have been. */
  asked: number;
}

/**
 * Memory of windows that were dropped, for those that come: they come and go by the hundred a second, and V8 takes what they leave for a
 * reason to look through its whole heap, time and again. By size, of which there are four between two powers of two.
 */
export class SpareMemory {
  private readonly most: number;
  private readonly shelves: Shelf[] = [];
  private held = 0;
  private now = 0;

  /** Keeps so many bytes. */
  constructor(most: number) {
    this.most = most;
  }

  get bytes(): number {
    return this.held;
  }

  /** At least so many bytes, which may have any content; nothing where there are none. */
  take(bytes: number): ArrayBuffer | undefined {
    if (bytes < SMALLEST || bytes > LARGEST) return undefined;
    const size = sizeOf(bytes);
    const first = shelfOf(size);
    this.shelf(first).asked = ++this.now;
    for (let at = first; at < first + NEAR; at++) {
      const piece = this.shelves[at]?.pieces.pop();
      if (piece === undefined) continue;
      this.held -= piece.byteLength;
      return piece;
    }
    return undefined;
  }

  /** Nobody reads or writes it any more. */
  give(piece: ArrayBuffer): void {
    const size = piece.byteLength;
    if (size < SMALLEST || size > LARGEST || sizeOf(size) !== size) return;
    this.shelf(shelfOf(size)).pieces.push(piece);
    this.held += size;
    while (this.held > this.most) this.forget();
  }

  /** Gives up what nobody has asked for the longest. */
  private forget(): void {
    let oldest: Shelf | undefined;
    for (const shelf of this.shelves)
      if (shelf !== undefined && shelf.pieces.length > 0 && (oldest === undefined || shelf.asked < oldest.asked))
        oldest = shelf;
    this.held -= oldest?.pieces.pop()?.byteLength ?? 0;
  }

  private shelf(at: number): Shelf {
    return (this.shelves[at] ??= { pieces: [], asked: 0 });
  }
}

/** New memory of at least so many bytes, all of them 0; of a size that can be given back. */
export const newMemory = (bytes: number): ArrayBuffer =>
  new ArrayBuffer(bytes < SMALLEST || bytes > LARGEST ? bytes : sizeOf(bytes));

/** Three significant bits, rounded up. */
function sizeOf(bytes: number): number {
  const shift = 29 - Math.clz32(bytes - 1);
  return (((bytes - 1) >>> shift) + 1) << shift;
}

function shelfOf(size: number): number {
  const shift = 29 - Math.clz32(size - 1);
  return shift * 4 + (size >>> shift) - 5;
}

/** A program is all there is in a worker. An eighth of what its container may have is left to others in a small one. */
export const spareMemory = new SpareMemory(
  Math.min(MOST, (process.constrainedMemory() || Number.POSITIVE_INFINITY) / 8),
);
