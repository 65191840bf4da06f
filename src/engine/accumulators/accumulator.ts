/**
 * State of an aggregate that is more than a few numbers. It is saved as text, merged where windows are, and copied before
 * it changes when a snapshot may hold it: `epoch` is the snapshot in whose time it was made (see `own`).
 */
export interface Accumulator {
  epoch: number;
  add(value: unknown): void;
  /** Takes in another of its kind, as if its values had come after its own. */
  merge(other: this): void;
  clone(): this;
  result(): unknown;
  encode(): string;
}

export interface AccumulatorKind {
  create(): Accumulator;
  /** Of what `encode` gave. */
  decode(text: string): Accumulator;
}

/** What an entry holds beside its cells: JSON text, a number for the text of it, an accumulator, or nothing yet. */
export type Held = string | number | Accumulator | undefined;

/** A value as an entry holds it. A number is kept as it is: most values are, and its text would be garbage soon. */
export function heldValue(value: unknown): string | number {
  return typeof value === "number" && Number.isFinite(value) ? value + 0 : JSON.stringify(value);
}

/** One that may be changed: the held one if it is of this epoch, else a copy; a new one where nothing is held. */
export function own(kind: AccumulatorKind, held: Held, epoch: number): Accumulator {
  if (typeof held === "object" && held.epoch === epoch) return held;
  const made = typeof held === "object" ? held.clone() : kind.create();
  made.epoch = epoch;
  return made;
}

export function textOf(held: Held): string | undefined {
  if (typeof held === "object") return held.encode();
  return typeof held === "number" ? String(held) : held;
}
