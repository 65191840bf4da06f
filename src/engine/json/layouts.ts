import { viewOf } from "../short-copy.ts";
import { LONGEST, MOST_LAYOUTS } from "./layout-scanner.ts";
import type { LayoutScanner, Records } from "./layout-scanner.ts";
import { learnLayout, MOST_SLOTS } from "./learn-layout.ts";
import type { ProjectedField } from "./projector.ts";
import { scannerOf } from "./record-memory.ts";

/** So many records are looked at before it is judged whether knowing shapes pays. */
const TRIAL = 8192;
/** Batches that are read without them where it does not. */
const REST = 512;
/** Records after which the lengths that changed too often to be guessed are guessed again. */
const GUESSED = 8 * TRIAL;
/** After so many of other shapes, and when all are known, */
const TRIED = 16;
/** one in so many takes the place of the one not seen for longest. */
const REPLACED = 256;

const NONE: Records = { buf: Buffer.alloc(0), off: new Int32Array(0), len: new Int32Array(0), n: 0 };

/** The shapes of one source's records, learned as they come. */
export class Layouts {
  /** Of records `first` to `next` of the batch: where the fields are, if the shape is known. layout.ts says how. */
  rows: Int32Array = NONE.off;
  first = 0;
  next = 0;
  /** Of the batch's bytes. */
  view = viewOf(NONE.buf);
  private viewed = NONE.buf;
  private readonly fields: readonly ProjectedField[];
  private scanner: LayoutScanner | undefined;
  private known: readonly Uint8Array[] = [];
  private batch = NONE;
  private resting = 0;
  private seen = 0;
  private missed = 0;
  private guessed = 0;

  constructor(paths: readonly (readonly string[])[]) {
    this.fields = paths.map((path, slot) => ({ path, slot }));
  }

  /** The next records are these. */
  begin(batch: Records): void {
    this.batch = batch;
    if (batch.buf !== this.viewed) {
      this.viewed = batch.buf;
      this.view = viewOf(batch.buf);
    }
    this.scanner = scannerOf(batch.buf);
    this.rows = this.scanner.rows;
    this.first = this.next = 0;
    if (this.resting > 0) this.resting--;
    this.seen += batch.n;
    if (this.seen < TRIAL) return;
    this.guessed += this.seen;
    if (this.guessed >= GUESSED) {
      this.guessed = 0;
      this.known = [...this.scanner.inOrder(this.known)];
    }
    if (this.missed * 2 > this.seen) {
      this.resting = REST;
      this.known = [];
    }
    this.seen = this.missed = 0;
  }

  /** Looks at record i, which is not before `next`, and some behind it. */
  scan(i: number): void {
    if (this.scanner === undefined) return;
    this.first = i;
    this.next = this.scanner.scan(this.known, this.batch, i, this.fields.length);
  }

  /** The tokenizer took this record, whose shape was not known. */
  learn(i: number): void {
    if (this.resting > 0 || this.fields.length > MOST_SLOTS) return;
    this.missed++;
    const { scanner, batch } = this;
    if (scanner === undefined || (batch.len[i] as number) > LONGEST) return;
    const isFull = this.known.length === MOST_LAYOUTS;
    if ((isFull || this.missed > TRIED) && this.missed % REPLACED !== 0) return;
    const start = batch.off[i] as number;
    const layout = learnLayout(batch.buf, { start, end: start + (batch.len[i] as number) }, this.fields);
    if (layout === undefined) return;
    this.known = [layout, ...scanner.inOrder(this.known).slice(0, MOST_LAYOUTS - 1)];
    // Those behind it may have its shape. Where shapes are many, looking at them again costs more than it finds.
    if (!isFull) this.next = i + 1;
  }
}
