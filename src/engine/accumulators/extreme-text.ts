import { compareText } from "../../expression/runtime/compare.ts";
import type { Accumulator, AccumulatorKind } from "./accumulator.ts";

/** The least or greatest text by code points, which is the order of the bytes of UTF-8. */
class ExtremeText implements Accumulator {
  epoch = -1;
  private readonly sign: Sign;
  private text: string | null;

  constructor(sign: Sign, text: string | null) {
    this.sign = sign;
    this.text = text;
  }

  add(value: unknown): void {
    const text = value as string;
    if (this.text === null || compareText(text, this.text) * this.sign > 0) this.text = text;
  }

  merge(other: ExtremeText): void {
    if (other.text !== null) this.add(other.text);
  }

  clone(): this {
    return new ExtremeText(this.sign, this.text) as this;
  }

  result(): string | null {
    return this.text;
  }

  encode(): string {
    return JSON.stringify(this.text);
  }
}

type Sign = 1 | -1;

export const extremeText = (sign: Sign): AccumulatorKind => ({
  create: () => new ExtremeText(sign, null),
  decode: (text) => new ExtremeText(sign, JSON.parse(text) as string | null),
});
