/** A topic of the bench before it is written: a pure function of the number of a record. */
export interface Input {
  readonly topic: string;
  record(n: number): InputRecord;
  /** A record far behind all others, of which nothing is computed: one in each partition lets every window close. */
  sentinel(key: string): InputRecord;
}

export interface InputRecord {
  readonly key: string;
  readonly value: string;
  /** Milliseconds. */
  readonly ts: number;
}
