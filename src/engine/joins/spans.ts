/** How a join cuts the time of its rows, which are dropped span by span. */
export interface Spans {
  /** +∞ where nothing is ever dropped: then all rows of a side are in one span. */
  readonly spanMs: number;
  /** By side: how much later than a row its last partner can come. */
  readonly laterMs: readonly [number, number];
}

const PARTS = 4;
const SHORTEST_SPAN_MS = 1000;

/** Spans of a quarter of what rows wait: at most a quarter more than needed is held. */
const quarterOf = (ms: number): number => Math.max(SHORTEST_SPAN_MS, Math.ceil(ms / PARTS));

/** All rows of a window meet at its end. */
export const windowSpans = (sizeMs: number): Spans => ({ spanMs: sizeMs, laterMs: [0, 0] });

export const intervalSpans = ({ beforeMs, afterMs }: { beforeMs: number; afterMs: number }): Spans => ({
  spanMs: quarterOf(beforeMs + afterMs),
  laterMs: [afterMs, beforeMs],
});

/** With a time to live of 0 rows wait forever. */
export const unboundedSpans = (ttlMs: number): Spans =>
  ttlMs === 0
    ? { spanMs: Number.POSITIVE_INFINITY, laterMs: [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY] }
    : { spanMs: quarterOf(ttlMs), laterMs: [ttlMs, ttlMs] };
