/** Keyed operators without windows over lists: what tables must be equal to. Each gives the rows of a record or a time. */
export interface Sent {
  readonly k: string;
  readonly ts: number;
  readonly v: number;
  readonly id: number;
}

export interface TableModel {
  send(record: Sent): object[];
  advance(to: number): object[];
  /** The job goes on with another time to live. What is forgotten by then stays so. */
  live(ttl: number): void;
}

/** Records of each key since it was last forgotten. */
class Remembered {
  private ttl: number;
  private readonly keys = new Map<string, { at: number; records: Sent[] }>();
  watermark = -Infinity;

  constructor(ttl: number) {
    this.ttl = ttl;
  }

  of(k: string): Sent[] {
    const held = this.keys.get(k);
    return held === undefined || this.isForgotten(held.at) ? [] : held.records;
  }

  private isForgotten(at: number): boolean {
    return this.ttl > 0 && at + this.ttl <= this.watermark;
  }

  live(ttl: number, waits: ReadonlyMap<string, unknown> = new Map()): void {
    for (const [k, { at }] of this.keys) if (this.isForgotten(at) && !waits.has(k)) this.keys.delete(k);
    this.ttl = ttl;
  }

  write({ k, ts }: Sent, records: Sent[]): void {
    this.keys.set(k, { at: Math.max(ts, this.watermark), records });
  }
}

const counted = (k: string, records: readonly Sent[]): object => ({
  k,
  n: records.length,
  sum: records.reduce((sum, r) => sum + r.v, 0),
  some: records.slice(0, 3).map((r) => r.v),
  kinds: new Set(records.map((r) => r.v)).size,
});

/** `give` says whether a record gives a result, of how many of its key so far; `fill` starts anew after one. */
function aggregate(ttl: number, give: (n: number) => boolean, fill = false): TableModel {
  const held = new Remembered(ttl);
  return {
    send: (record) => {
      const records = [...held.of(record.k), record];
      const due = give(records.length);
      held.write(record, due && fill ? [] : records);
      return due ? [counted(record.k, records)] : [];
    },
    advance: (to) => {
      held.watermark = to;
      return [];
    },
    live: (other) => held.live(other),
  };
}

function byTime(ttl: number, every: number): TableModel {
  const held = new Remembered(ttl);
  const changed = new Map<string, Sent[]>();
  const boundary = (at: number): number => Math.floor((at + 1) / every);
  return {
    send: (record) => {
      // A key whose result is still to be given is not forgotten.
      const records = [...(changed.get(record.k) ?? held.of(record.k)), record];
      held.write(record, records);
      changed.set(record.k, records);
      return [];
    },
    advance: (to) => {
      const passed = boundary(to) > boundary(held.watermark);
      held.watermark = to;
      const rows = passed ? [...changed].map(([k, records]) => counted(k, records)) : [];
      if (passed) changed.clear();
      return rows;
    },
    live: (other) => held.live(other, changed),
  };
}

function dedup(ttl: number, keyOf: (record: Sent) => string): TableModel {
  const held = new Remembered(ttl);
  return {
    send: (record) => {
      const named = { ...record, k: keyOf(record) };
      if (held.of(named.k).length > 0) return [];
      held.write(named, [record]);
      return [record];
    },
    advance: (to) => {
      held.watermark = to;
      return [];
    },
    live: (other) => held.live(other),
  };
}

function top(ttl: number, size: number, sign: number): TableModel {
  const held = new Remembered(ttl);
  const ranked = (records: readonly Sent[]): Sent[] => records.toSorted((a, b) => sign * (a.v - b.v)).slice(0, size);
  return {
    send: (record) => {
      const before = ranked(held.of(record.k));
      const records = [...held.of(record.k), record];
      held.write(record, records);
      const after = ranked(records).map((r, i) => ({ k: record.k, rank: i + 1, record: r }));
      return after.filter((row, i) => row.record !== before[i]);
    },
    advance: (to) => {
      held.watermark = to;
      return [];
    },
    live: (other) => held.live(other),
  };
}

/** The node's name in the pipeline of the test → what it must give. */
export function tableModels(ttl: number): Readonly<Record<string, TableModel>> {
  return {
    updates: aggregate(ttl, () => true),
    filled: aggregate(ttl, (n) => n === 3, true),
    counts: aggregate(ttl, (n) => n % 2 === 0),
    times: byTime(ttl, 10),
    dedup: dedup(ttl, (r) => r.k),
    distinct: dedup(ttl, (r) => `${r.k} ${r.v}`),
    highest: top(ttl, 3, -1),
    lowest: top(ttl, 2, 1),
  };
}
