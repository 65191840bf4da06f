import { END, layoutBytes, MISSING_FIELD, MORE, NUMBER, OTHER, STEP_BYTES, STEP_SIZE, TEXT } from "./layout.ts";
import type { Step } from "./layout.ts";
import { fieldTrie } from "./projector.ts";
import type { FieldTrie, ProjectedField } from "./projector.ts";
import { plain, scanValue, skipSpace } from "./scan.ts";

const QUOTE = 34;
/** A record of which more must be compared is not one of many alike. */
const MOST_STEPS = 1024;
/** Fields that a source may be asked for: there is a step for each that a record lacks. */
export const MOST_SLOTS = 256;
export const MOST_LAYOUT_BYTES = (MOST_STEPS + MOST_SLOTS) * STEP_SIZE;

/** The layout of a record that the tokenizer took; undefined where its shape cannot be told from its bytes alone. */
export function learnLayout(
  b: Uint8Array,
  { start, end }: { readonly start: number; readonly end: number },
  fields: readonly ProjectedField[],
): Uint8Array | undefined {
  const learner = new Learner(b, end);
  return learner.record(start, fieldTrie(fields)) ? layoutBytes(learner.layout(fields)) : undefined;
}

class Learner {
  private readonly b: Uint8Array;
  private readonly end: number;
  private readonly steps: Step[] = [];
  private between: number[] = [];

  constructor(b: Uint8Array, end: number) {
    this.b = b;
    this.end = end;
  }

  layout(fields: readonly ProjectedField[]): readonly Step[] {
    const found = new Set(this.steps.map(({ slot }) => slot));
    const missing = fields.filter(({ slot }) => !found.has(slot));
    return [...missing.map(({ slot }): Step => ({ bytes: [], length: 0, kind: MISSING_FIELD, slot })), ...this.steps];
  }

  record(start: number, fields: FieldTrie): boolean {
    const p = this.copySpace(start);
    if (this.b[p] !== 123 || fields.slot !== undefined) return false;
    const behind = this.object(p, fields);
    if (behind < 0) return false;
    this.copy(behind, this.end);
    this.step(END, -1);
    return this.steps.length <= MOST_STEPS;
  }

  /** Position behind the object at p, or −1. */
  private object(p: number, fields: FieldTrie): number {
    const { b } = this;
    const names = new Set<string>();
    let q = this.copySpace(this.copy(p, p + 1));
    while (b[q] !== 125) {
      const quote = this.endOfPlainName(q);
      const name = Buffer.from(b.subarray(q + 1, quote)).toString("latin1");
      // Of a name that comes twice the last value counts, and an escape could spell any name.
      if (b[quote] !== QUOTE || names.has(name)) return -1;
      names.add(name);
      q = this.copySpace(this.copySpace(this.copy(q, quote + 1)), 1);
      q = this.value(q, fields.children.get(name));
      if (q < 0) return -1;
      q = this.copySpace(q);
      if (b[q] === 44) q = this.copySpace(q, 1);
    }
    return this.copy(q, q + 1);
  }

  private endOfPlainName(p: number): number {
    let q = p + 1;
    while (plain[this.b[q] as number] === 1) q++;
    return q;
  }

  private value(p: number, field: FieldTrie | undefined): number {
    const { b } = this;
    if (field !== undefined && field.children.size > 0) {
      const isPath = b[p] === 123 && field.slot === undefined;
      return isPath ? this.object(p, field) : -1;
    }
    const c = b[p] as number;
    const kind = c === QUOTE ? TEXT : c === 45 || (c >= 48 && c <= 57) ? NUMBER : OTHER;
    this.step(kind, field?.slot ?? -1);
    const r = scanValue(b, p, 1);
    return r < 0 ? -1 : r >>> 4;
  }

  private copy(from: number, to: number): number {
    for (let i = from; i < to; i++) this.between.push(this.b[i] as number);
    return to;
  }

  /** Copies so many bytes, and blanks behind them. */
  private copySpace(p: number, bytes = 0): number {
    return this.copy(p, skipSpace(this.b, p + bytes));
  }

  /** The quote that opens a text is compared with what stands before it. */
  private step(kind: number, slot: number): void {
    const { between, steps } = this;
    const bytes = [...between, ...(kind === TEXT ? [QUOTE] : [])];
    let at = 0;
    for (; bytes.length - at > STEP_BYTES; at += STEP_BYTES) {
      const length = Math.min(STEP_BYTES, between.length - at);
      steps.push({ bytes: bytes.slice(at, at + STEP_BYTES), length, kind: MORE, slot: -1 });
    }
    steps.push({ bytes: bytes.slice(at), length: between.length - at, kind, slot });
    this.between = [];
  }
}
