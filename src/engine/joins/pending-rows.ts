import type { RowLog } from "./row-log.ts";

/** The rows of a log in order of their time, for what happens to them one after the other as time passes. */
export class PendingRows {
  private readonly log: RowLog;
  private order: number[] = [];
  private at = 0;
  /** Rows of the log that are in the order. */
  private known = 0;

  constructor(log: RowLog) {
    this.log = log;
  }

  /** The next row that is not after `latest`, which is then done with; −1 where there is none. */
  take(latest: number): number {
    if (this.known < this.log.n) this.sort();
    const row = this.order[this.at];
    if (row === undefined || (this.log.ts[row] as number) > latest) return -1;
    this.at++;
    return row;
  }

  /** The time of the row that comes next; +∞ where there is none. */
  next(): number {
    const row = this.order[this.at];
    return row === undefined ? Number.POSITIVE_INFINITY : (this.log.ts[row] as number);
  }

  private sort(): void {
    const { ts, n } = this.log;
    const rest = this.order.slice(this.at);
    for (let row = this.known; row < n; row++) rest.push(row);
    this.order = rest.sort((a, b) => (ts[a] as number) - (ts[b] as number) || a - b);
    this.at = 0;
    this.known = n;
  }
}
