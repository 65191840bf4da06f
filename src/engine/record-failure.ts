import { messageOf, WeirError } from "../errors.ts";
import type { ErrorCode } from "../errors.ts";

/** The error that ends a job whose node says `onError: Fail`. */
export function recordFailure(node: string, where: string, failure: { code: ErrorCode; cause: unknown }): WeirError {
  const { code, cause } = failure;
  const advice = "set onError on the node to Skip or Dead to go on without such records";
  return new WeirError(code, `node "${node}", record ${where}: ${messageOf(cause)}; ${advice}`, { cause });
}
