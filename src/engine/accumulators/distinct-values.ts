import { canonicalJson } from "../canonical-json.ts";
import type { Accumulator, AccumulatorKind } from "./accumulator.ts";

/** Every value that came, once. */
class DistinctValues implements Accumulator {
  epoch = -1;
  private readonly values: Set<string>;

  constructor(values: Set<string>) {
    this.values = values;
  }

  add(value: unknown): void {
    this.values.add(canonicalJson(value));
  }

  merge(other: DistinctValues): void {
    for (const value of other.values) this.values.add(value);
  }

  clone(): this {
    return new DistinctValues(new Set(this.values)) as this;
  }

  result(): number {
    return this.values.size;
  }

  encode(): string {
    return `[${[...this.values].join(",")}]`;
  }
}

export const distinctValues: AccumulatorKind = {
  create: () => new DistinctValues(new Set()),
  decode: (text) => new DistinctValues(new Set((JSON.parse(text) as unknown[]).map(canonicalJson))),
};
