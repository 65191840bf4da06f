import type { Accumulator, AccumulatorKind } from "./accumulator.ts";

/**
 * DDSketch (Masson, Rim, Lee, VLDB 2019): values are counted in bins whose bounds grow by a constant factor, so that every
 * percentile is within 1 % of a value of its rank, and sketches merge without loss. With more than MAX_BINS bins the
 * values nearest to zero are counted together, and only percentiles among those lose accuracy: 2,048 bins span 17 powers of ten.
 */
const ACCURACY = 0.01;
const GAMMA = (1 + ACCURACY) / (1 - ACCURACY);
const LOG_GAMMA = Math.log(GAMMA);
const MAX_BINS = 2048;

type Bins = Map<number, number>;

class QuantileSketch implements Accumulator {
  epoch = -1;
  private readonly share: number;
  private readonly positive: Bins;
  private readonly negative: Bins;
  private zeros: number;
  private least: number;
  private most: number;

  constructor(share: number, saved: Saved) {
    this.share = share;
    this.positive = new Map(saved.positive);
    this.negative = new Map(saved.negative);
    this.zeros = saved.zeros;
    this.least = saved.range?.[0] ?? Number.POSITIVE_INFINITY;
    this.most = saved.range?.[1] ?? Number.NEGATIVE_INFINITY;
  }

  add(value: unknown): void {
    const x = value as number;
    this.least = Math.min(this.least, x);
    this.most = Math.max(this.most, x);
    if (x === 0) this.zeros++;
    else count(x > 0 ? this.positive : this.negative, Math.ceil(Math.log(Math.abs(x)) / LOG_GAMMA), 1);
  }

  merge(other: QuantileSketch): void {
    for (const [bin, n] of other.positive) count(this.positive, bin, n);
    for (const [bin, n] of other.negative) count(this.negative, bin, n);
    this.zeros += other.zeros;
    this.least = Math.min(this.least, other.least);
    this.most = Math.max(this.most, other.most);
  }

  clone(): this {
    return new QuantileSketch(this.share, this.saved()) as this;
  }

  result(): number | null {
    const bins = [
      ...[...this.negative].toSorted(([a], [b]) => b - a).map(([bin, n]) => [-middle(bin), n] as const),
      [0, this.zeros] as const,
      ...[...this.positive].toSorted(([a], [b]) => a - b).map(([bin, n]) => [middle(bin), n] as const),
    ];
    const total = bins.reduce((sum, [, n]) => sum + n, 0);
    if (total === 0) return null;
    const rank = this.share * (total - 1);
    let seen = 0;
    for (const [value, n] of bins) {
      seen += n;
      if (seen > rank) return Math.min(this.most, Math.max(this.least, value));
    }
    return this.most;
  }

  private saved(): Saved {
    const range = this.least <= this.most ? ([this.least, this.most] as const) : null;
    return { positive: [...this.positive], negative: [...this.negative], zeros: this.zeros, range };
  }

  encode(): string {
    return JSON.stringify(this.saved());
  }
}

interface Saved {
  readonly positive: readonly (readonly [number, number])[];
  readonly negative: readonly (readonly [number, number])[];
  readonly zeros: number;
  readonly range: readonly [number, number] | null;
}

/** A value that no value of the bin is further than the accuracy from. */
const middle = (bin: number): number => (2 * GAMMA ** bin) / (GAMMA + 1);

function count(bins: Bins, bin: number, n: number): void {
  bins.set(bin, (bins.get(bin) ?? 0) + n);
  if (bins.size <= MAX_BINS) return;
  const [lowest, next] = twoLowest(bins);
  bins.set(next, (bins.get(next) ?? 0) + (bins.get(lowest) ?? 0));
  bins.delete(lowest);
}

function twoLowest(bins: Bins): [number, number] {
  let lowest = Number.POSITIVE_INFINITY;
  let next = Number.POSITIVE_INFINITY;
  for (const bin of bins.keys()) {
    if (bin < lowest) [lowest, next] = [bin, lowest];
    else if (bin < next) next = bin;
  }
  return [lowest, next];
}

export const quantileSketch = (share: number): AccumulatorKind => ({
  create: () => new QuantileSketch(share, { positive: [], negative: [], zeros: 0, range: null }),
  decode: (text) => new QuantileSketch(share, JSON.parse(text) as Saved),
});
