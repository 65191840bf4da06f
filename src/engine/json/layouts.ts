import type { Layout } from "./layout.ts";
import { learnLayout } from "./learn-layout.ts";
import type { ProjectedField } from "./projector.ts";

/** Shapes that are known at a time. */
const MOST = 4;
/** So many records are looked at before it is judged whether knowing shapes pays. */
const TRIAL = 8192;
/** Batches that are read without them where it does not. */
const REST = 512;
/** After so many of other shapes, and when all are known, */
const TRIED = 16;
/** one in so many takes the place of the one not seen for longest. */
const REPLACED = 256;

/** The shapes of one source's records, learned as they come. */
export class Layouts {
  private readonly fields: readonly ProjectedField[];
  /** The one of the last record first. */
  private readonly known: Layout[] = [];
  private bytes: Uint8Array = Buffer.alloc(0);
  private view: DataView = new DataView(new ArrayBuffer(0));
  private resting = 0;
  private seen = 0;
  private missed = 0;

  constructor(paths: readonly (readonly string[])[]) {
    this.fields = paths.map((path, slot) => ({ path, slot }));
  }

  /** The next records, n of them, are in these bytes. */
  begin(bytes: Uint8Array, n: number): void {
    if (this.bytes !== bytes) {
      this.bytes = bytes;
      this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    }
    if (this.resting > 0) this.resting--;
    this.seen += n;
    if (this.seen < TRIAL) return;
    if (this.missed * 2 > this.seen) {
      this.resting = REST;
      this.known.length = 0;
    }
    this.seen = this.missed = 0;
  }

  /** The layout that tells where the fields of this record are, if its shape is known. */
  of(start: number, end: number): Layout | undefined {
    const { known, bytes, view } = this;
    const first = known[0];
    if (first === undefined) return undefined;
    if (first.fits(bytes, view, start, end)) return first;
    for (let i = 1; i < known.length; i++) {
      const layout = known[i] as Layout;
      if (!layout.fits(bytes, view, start, end)) continue;
      known.copyWithin(1, 0, i);
      known[0] = layout;
      return layout;
    }
    return undefined;
  }

  /** The tokenizer took this record, whose shape was not known. */
  learn(start: number, end: number): void {
    if (this.resting > 0) return;
    this.missed++;
    if ((this.known.length === MOST || this.missed > TRIED) && this.missed % REPLACED !== 0) return;
    const layout = learnLayout(this.bytes, { start, end }, this.fields);
    if (layout === undefined) return;
    if (this.known.length === MOST) this.known.pop();
    this.known.unshift(layout);
  }
}
