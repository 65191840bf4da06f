import type { Accumulator, AccumulatorKind } from "./accumulator.ts";

/** The first values to arrive, up to a limit. */
class CollectedValues implements Accumulator {
  epoch = -1;
  private readonly limit: number;
  private readonly values: string[];

  constructor(limit: number, values: string[]) {
    this.limit = limit;
    this.values = values;
  }

  add(value: unknown): void {
    if (this.values.length < this.limit) this.values.push(JSON.stringify(value));
  }

  merge(other: CollectedValues): void {
    this.values.push(...other.values.slice(0, this.limit - this.values.length));
  }

  clone(): this {
    return new CollectedValues(this.limit, [...this.values]) as this;
  }

  result(): unknown {
    return JSON.parse(this.encode());
  }

  encode(): string {
    return `[${this.values.join(",")}]`;
  }
}

export const collectedValues = (limit: number): AccumulatorKind => ({
  create: () => new CollectedValues(limit, []),
  decode: (text) => {
    const values = JSON.parse(text) as unknown[];
    return new CollectedValues(
      limit,
      values.map((value) => JSON.stringify(value)),
    );
  },
});
