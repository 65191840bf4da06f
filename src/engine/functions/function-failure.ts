import { Failure } from "../../expression/failure.ts";

/** A call of a user's function that failed on a record: handled by the node's onError. */
export class FunctionFailure extends Failure {
  constructor(detail: string) {
    super("Type", detail);
  }
}

const MAX_DETAIL = 1000;

/** What it threw, and where in the user's own module: the first frame that is in it. */
export function thrown(of: { readonly name: string; readonly file: string; readonly url: string }, error: unknown) {
  const place = ownFrame(of.url, error);
  const where = place === undefined ? of.file : `${of.file}:${place}`;
  return new FunctionFailure(`function "${of.name}" (${where}) threw ${shown(error)}`);
}

function shown(error: unknown): string {
  const text = error instanceof Error ? `${error.name}: ${error.message}` : JSON.stringify(error);
  return (text ?? String(error)).slice(0, MAX_DETAIL);
}

function ownFrame(url: string, error: unknown): string | undefined {
  const stack = error instanceof Error ? (error.stack ?? "") : "";
  const line = url === "" ? undefined : stack.split("\n").find((frame) => frame.includes(url));
  return line === undefined ? undefined : /:(\d+:\d+)\)?$/.exec(line)?.[1];
}
