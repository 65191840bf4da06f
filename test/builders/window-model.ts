/**
 * Windows of a list that is searched anew each time: what every state of windows must be equal to. It knows nothing of
 * panes, tables or timers.
 */
export interface Sent {
  readonly k: string;
  readonly ts: number;
  readonly v: number;
  readonly split: number;
}

export interface Row {
  readonly k: string;
  readonly windowStart: number;
  readonly windowEnd: number;
  readonly n: number;
  readonly sum: number;
  readonly max: number;
  readonly first: number;
  readonly last: number;
}

export interface WindowModel {
  /** Rows since they were taken last. */
  rows: Row[];
  late: number;
  send(record: Sent): void;
  advance(to: number): void;
}

export type ModelWindow =
  | { readonly kind: "tumbling"; readonly size: number }
  | { readonly kind: "sliding"; readonly size: number; readonly every: number }
  | { readonly kind: "cumulate"; readonly step: number; readonly max: number }
  | { readonly kind: "session"; readonly gap: number };

export function windowModel(window: ModelWindow, lateness: number): WindowModel {
  return window.kind === "session" ? new Sessions(window.gap, lateness) : new Aligned(window, lateness);
}

type Span = readonly [start: number, end: number];

/** Every window that holds the time, found by trying all. */
function spansOf(window: Exclude<ModelWindow, { kind: "session" }>, ts: number): Span[] {
  const spans: Span[] = [];
  const step = window.kind === "tumbling" ? window.size : window.kind === "sliding" ? window.every : window.step;
  const longest = window.kind === "cumulate" ? window.max : window.size;
  for (let end = Math.floor((ts - longest) / step) * step; end <= ts + longest; end += step) {
    const start = window.kind === "cumulate" ? Math.floor((end - 1) / window.max) * window.max : end - window.size;
    if (ts >= start && ts < end) spans.push([start, end]);
  }
  return spans;
}

const rowOf = (k: string, [windowStart, windowEnd]: Span, values: readonly number[]): Row => ({
  k,
  windowStart,
  windowEnd,
  n: values.length,
  sum: values.reduce((a, b) => a + b, 0),
  max: Math.max(...values),
  first: values[0] ?? Number.NaN,
  last: values.at(-1) ?? Number.NaN,
});

class Aligned implements WindowModel {
  rows: Row[] = [];
  late = 0;
  private readonly window: Exclude<ModelWindow, { kind: "session" }>;
  private readonly lateness: number;
  private readonly accepted: { readonly record: Sent; readonly spans: readonly Span[] }[] = [];
  private watermark = -Infinity;

  constructor(window: Exclude<ModelWindow, { kind: "session" }>, lateness: number) {
    this.window = window;
    this.lateness = lateness;
  }

  private row(k: string, span: Span): Row {
    const within = this.accepted.filter(({ record, spans }) => record.k === k && spans.some((s) => s[1] === span[1]));
    const values = within.map(({ record }) => record.v);
    return rowOf(k, span, values);
  }

  send(record: Sent): void {
    const spans = spansOf(this.window, record.ts).filter(([, end]) => this.watermark < end - 1 + this.lateness);
    if (spans.length === 0) {
      this.late++;
      return;
    }
    this.accepted.push({ record, spans });
    for (const span of spans) if (this.watermark >= span[1] - 1) this.rows.push(this.row(record.k, span));
  }

  advance(to: number): void {
    const due = new Map<string, [string, Span]>();
    for (const { record, spans } of this.accepted)
      for (const span of spans)
        if (span[1] - 1 > this.watermark && span[1] - 1 <= to) due.set(`${record.k} ${span[1]}`, [record.k, span]);
    for (const [k, span] of due.values()) this.rows.push(this.row(k, span));
    this.watermark = Math.max(this.watermark, to);
  }
}

class Sessions implements WindowModel {
  rows: Row[] = [];
  late = 0;
  private readonly gap: number;
  private readonly lateness: number;
  private sessions: Sent[][] = [];
  private readonly order: Sent[] = [];
  private watermark = -Infinity;

  constructor(gap: number, lateness: number) {
    this.gap = gap;
    this.lateness = lateness;
  }

  private span(session: readonly Sent[]): Span {
    const times = session.map((r) => r.ts);
    return [Math.min(...times), Math.max(...times) + this.gap];
  }

  private row(session: readonly Sent[]): Row {
    const inOrder = this.order.filter((r) => session.includes(r));
    return rowOf(
      inOrder[0]?.k ?? "",
      this.span(session),
      inOrder.map((r) => r.v),
    );
  }

  send(record: Sent): void {
    const touches = (session: readonly Sent[]): boolean => {
      const [start, end] = this.span(session);
      return session[0]?.k === record.k && start <= record.ts + this.gap && end >= record.ts;
    };
    const joined = [...this.sessions.filter(touches).flat(), record];
    const [, end] = this.span(joined);
    if (this.watermark >= end - 1 + this.lateness) {
      this.late++;
      return;
    }
    this.order.push(record);
    this.sessions = [...this.sessions.filter((s) => !touches(s)), joined];
    if (this.watermark >= end - 1) this.rows.push(this.row(joined));
  }

  advance(to: number): void {
    for (const session of this.sessions) {
      const [, end] = this.span(session);
      if (end - 1 > this.watermark && end - 1 <= to) this.rows.push(this.row(session));
    }
    this.watermark = Math.max(this.watermark, to);
    this.sessions = this.sessions.filter((s) => this.watermark < this.span(s)[1] - 1 + this.lateness);
  }
}
