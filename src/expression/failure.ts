export type FailureKind =
  | "Missing" // a field or key that is not there
  | "Type" // an operator or function got a value it does not take
  | "Overflow" // an int beyond ±(2^53 - 1)
  | "DivisionByZero"
  | "Range" // an index, a conversion or a date outside its range
  | "TooLarge" // a text or list beyond its bound
  | "Budget"; // more steps than an evaluation may take

/**
 * What an expression evaluates to when it fails. A value rather than an exception: malformed records may be frequent,
 * `&&` and `||` absorb failures, and neither an allocation with a stack nor a try block belongs in a per-record path.
 */
export class Failure {
  readonly kind: FailureKind;
  readonly detail: string;

  constructor(kind: FailureKind, detail: string) {
    this.kind = kind;
    this.detail = detail;
  }
}

export const isFailure = (value: unknown): value is Failure => value instanceof Failure;
