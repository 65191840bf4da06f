import type { WeirError } from "../../errors.ts";
import type { OutRecord } from "../connectors/connector.ts";
import { Failure } from "../../expression/failure.ts";
import { evaluationError } from "../../expression/interpret.ts";
import { read } from "../../expression/runtime/access.ts";
import { eventTimeOf, noEventTime } from "../event-time.ts";
import { canonicalJson } from "../canonical-json.ts";
import { rankProblem } from "../accumulators/top-list.ts";
import type { Batch } from "../batch.ts";
import { FunctionFailure } from "../functions/function-failure.ts";
import { heldValue } from "../accumulators/accumulator.ts";
import { heldResult } from "../accumulators/accumulator-kinds.ts";
import { recordFailure } from "../record-failure.ts";
import { shownMessage, shownRecord, without } from "../record-fields.ts";
import { argumentProblem, keyProblem } from "../windows/argument.ts";
import { overflowProblem } from "../windows/sum.ts";
import { isPlainInt, NOT_QUICK, writeQuickly } from "../json/write-value.ts";
import { keyText, recordHeaders, recordKey, successorKey } from "../windows/key.ts";
import { BlockKeys } from "./block-keys.ts";
import type { AggregateFunction } from "../plan.ts";

/** What generated code calls by the name `R` where it is off the fast path. One per program. */
export class ChainRuntime {
  /** Bytes of the last key that `keyBytes` made. */
  key: Buffer = Buffer.allocUnsafe(256);
  keyLength = 0;
  /** The last key that is a list of fields. */
  readonly list = new BlockKeys();

  /** Makes the bytes of a window's key, or tells why the value is no key. */
  keyBytes(value: unknown): Failure | undefined {
    const length = writeQuickly(this.key, 0, value);
    if (length !== NOT_QUICK) {
      this.keyLength = length;
      return undefined;
    }
    if (value instanceof Failure) return value;
    const text = keyText(value);
    if (text === undefined) return new Failure("Type", keyProblem(value));
    this.keyLength = this.write(text);
    return undefined;
  }

  /** The same of any value: objects have one spelling by the order of their names. */
  valueBytes(value: unknown): Failure | undefined {
    if (value instanceof Failure) return value;
    this.keyLength = this.write(canonicalJson(value));
    return undefined;
  }

  badRank(value: unknown): Failure {
    return value instanceof Failure ? value : new Failure("Type", rankProblem(value));
  }

  recordKey(record: OutRecord, value: unknown): void {
    this.putKey(record, recordKey(value));
  }

  successorKey(record: OutRecord, value: unknown): void {
    this.putKey(record, successorKey(value));
  }

  private putKey(record: OutRecord, text: string | undefined): void {
    record.key = undefined;
    record.keyEnd = -1;
    if (text === undefined) return;
    record.keyEnd = this.write(text);
    record.key = this.key;
    record.keyStart = 0;
  }

  readonly headers = recordHeaders;

  private write(text: string): number {
    if (text.length * 3 > this.key.length) this.key = Buffer.allocUnsafe(text.length * 6);
    return this.key.write(text);
  }

  notBool(value: unknown): Failure {
    return value instanceof Failure ? value : new Failure("Type", "a condition must be true or false");
  }

  notList(value: unknown): Failure {
    return value instanceof Failure ? value : new Failure("Type", "flatMap must give a list");
  }

  readonly without = without;
  readonly shown = shownRecord;

  message(value: unknown, text: string): string {
    if (!(value instanceof Failure)) return shownMessage(value);
    return shownMessage(`peek's message failed: ${evaluationError(text, value).message}`);
  }

  /** An object that was built of fields some of which are not there. */
  defined(fields: Readonly<Record<string, unknown>>): object {
    return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
  }

  missing(expression: string): Failure {
    return new Failure("Missing", `${expression} is missing`);
  }

  badArgument(name: string, fn: AggregateFunction, value: unknown): Failure {
    return value instanceof Failure ? value : new Failure("Type", argumentProblem(name, fn, value));
  }

  failed(node: string, where: string, failure: Failure): WeirError {
    const code = failure instanceof FunctionFailure ? "FUNCTION_FAILED" : "EXPRESSION_FAILED";
    return recordFailure(node, where, { code, cause: failure.detail });
  }

  malformed(node: string, where: string, cause: unknown): WeirError {
    return recordFailure(node, where, { code: "RECORD_MALFORMED", cause });
  }

  overflow(name: string): Failure {
    return new Failure("Overflow", overflowProblem(name));
  }

  /** A record of a join's state; it was checked when it came. */
  parseRow(b: Buffer, start: number, end: number): unknown {
    return JSON.parse(b.toString("utf8", start, end));
  }

  unanswered(node: string, where: string, problem: string): WeirError {
    return recordFailure(node, where, { code: "LOOKUP_FAILED", cause: problem });
  }

  recordAt(ts: number): string {
    return `at ${ts}`;
  }

  pairAt(ts: number): string {
    return `of the pair at ${ts}`;
  }

  resultAt(ts: number): string {
    return `of the result at ${ts}`;
  }

  windowAt(end: number): string {
    return `of the window ending at ${end}`;
  }

  readonly eventTime = eventTimeOf;

  below(value: unknown, path: readonly string[]): unknown {
    return read(value, path, 0);
  }

  /** A record that the tokenizer did not take. Throws what JSON.parse throws. */
  parse(batch: Batch, i: number): unknown {
    const start = batch.off[i] as number;
    const length = batch.len[i] as number;
    if (length < 0) throw new SyntaxError("the record has no value");
    return JSON.parse(batch.buf.toString("utf8", start, start + length));
  }

  noEventTime(path: string): TypeError {
    return new TypeError(noEventTime(path));
  }

  text(value: unknown): string {
    return typeof value === "number" && isPlainInt(value) ? String(value) : JSON.stringify(value);
  }

  readonly hold = heldValue;

  parsed(held: string | number | undefined): unknown {
    if (typeof held === "number") return held;
    return held === undefined ? null : JSON.parse(held);
  }

  readonly held = heldResult;

  finite(value: number): number | null {
    return Number.isFinite(value) ? value : null;
  }
}
