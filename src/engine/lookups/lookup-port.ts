/**
 * Where a program asks. It never waits: it looks into the answer when it has come to the record, and a record whose answer
 * is not there yet holds back those behind it.
 */
export interface LookupPort {
  /** `key` is JSON, as a key of state has it. The same answer may be given to several records. */
  ask(key: string): LookupAnswer;
}

export interface LookupAnswer {
  readonly state: "asked" | "found" | "failed";
  /** JSON texts; none is no row. */
  readonly rows: readonly Buffer[];
  /** Why there is no answer, and never will be. */
  readonly problem: string;
}

/** As in SQL, null is equal to nothing: nobody is asked. */
export const NO_ROWS: LookupAnswer = { state: "found", rows: [], problem: "" };

export function hasNull(key: string): boolean {
  return key === "null" || (key.startsWith("[") && (JSON.parse(key) as unknown[]).includes(null));
}
