/** Joins as SQL says them: over all records at once, without watermarks. */
export interface ModelJoin {
  readonly kind: "window" | "interval" | "unbounded";
  readonly size: number;
  readonly before: number;
  readonly after: number;
  /** Of a join without bounds; 0 is never. */
  readonly ttl: number;
  readonly type: "Inner" | "Left" | "Outer";
}

export interface ModelRow {
  readonly side: "l" | "r";
  readonly k: string | null;
  readonly ts: number;
  /** In the order in which they were sent. */
  readonly id: number;
}

/** How far event time had come when a record was sent. */
export type SentAt = (row: ModelRow) => number;

const windowOf = ({ size }: ModelJoin, { ts }: ModelRow): number => Math.floor(ts / size);

/** Whether a record takes part, as far as event time had come when it was sent. */
export function onTime(join: ModelJoin, row: ModelRow, watermark: number): boolean {
  if (join.kind === "unbounded") return true;
  if (join.kind === "interval") return row.ts > watermark;
  return (windowOf(join, row) + 1) * join.size - 1 > watermark;
}

function meet(join: ModelJoin, left: ModelRow, right: ModelRow, sentAt: SentAt): boolean {
  if (left.k === null || left.k !== right.k) return false;
  if (join.kind === "unbounded") {
    const [first, second] = left.id < right.id ? [left, right] : [right, left];
    return join.ttl === 0 || first.ts + join.ttl > sentAt(second);
  }
  if (join.kind === "window") return windowOf(join, left) === windowOf(join, right);
  return right.ts >= left.ts - join.before && right.ts <= left.ts + join.after;
}

/** Every result with its event time, as the engine writes it, in no order. */
export function joined(join: ModelJoin, rows: readonly ModelRow[], sentAt: SentAt): string[] {
  const lefts = rows.filter((row) => row.side === "l");
  const rights = rows.filter((row) => row.side === "r");
  const results: string[] = [];
  const text = (l: ModelRow | null, r: ModelRow | null, ts: number): void => {
    const end = ((l ?? r) as ModelRow).ts;
    const at = join.kind !== "window" ? ts : (Math.floor(end / join.size) + 1) * join.size - 1;
    results.push(`${JSON.stringify({ l: l?.id ?? null, r: r?.id ?? null })} at ${at}`);
  };
  for (const l of lefts) {
    const partners = rights.filter((r) => meet(join, l, r, sentAt));
    for (const r of partners) text(l, r, Math.max(l.ts, r.ts));
    if (partners.length === 0 && join.type !== "Inner") text(l, null, l.ts + join.after);
  }
  if (join.type === "Outer")
    for (const r of rights) if (!lefts.some((l) => meet(join, l, r, sentAt))) text(null, r, r.ts + join.before);
  return results;
}
