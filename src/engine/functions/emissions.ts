import { WeirError } from "../../errors.ts";
import type { LoadedFunction } from "./loaded-function.ts";
import { jsonCopy } from "./json-value.ts";

export interface Emission {
  /** 0 is the plain output, i the i-th of the node's own. */
  readonly output: number;
  readonly value: unknown;
}

/** What one call of a function gave: handed on only when the call has succeeded. */
export class Emissions {
  readonly list: Emission[] = [];
  private readonly outputs: readonly string[];

  constructor(outputs: readonly string[]) {
    this.outputs = outputs;
  }

  add(record: unknown, output: string | undefined): void {
    this.list.push({ output: this.placeOf(output), value: jsonCopy(record, "the record that it emits") });
  }

  private placeOf(output: string | undefined): number {
    if (output === undefined) return 0;
    const place = this.outputs.indexOf(output) + 1;
    if (place > 0) return place;
    const names = this.outputs.length === 0 ? "it has none" : `they are ${this.outputs.join(", ")}`;
    throw new TypeError(`process.outputs has no "${output}"; ${names}`);
  }

  clear(): void {
    this.list.length = 0;
  }
}

/** A mistake in the code, not in a record: no onError goes on with it. */
export function refuseReturned(of: LoadedFunction, node: string, returned: unknown): never {
  const at = `node "${node}", function "${of.name}" (${of.file})`;
  const isPromise = typeof (returned as { then?: unknown } | null)?.then === "function";
  if (!isPromise)
    throw new WeirError("FUNCTION_INVALID", `${at} returned a value; give records by context.emit and return nothing`);
  // Nobody waits for it: what it is rejected with must not end the process instead of this message.
  Promise.resolve(returned).catch(() => undefined);
  throw new WeirError(
    "FUNCTION_INVALID",
    `${at} returned a promise; a function is synchronous: an event is done when it returns`,
  );
}
