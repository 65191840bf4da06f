import { emitJavaScript } from "../../expression/emit.ts";
import type { EmittedExpression } from "../../expression/emit.ts";
import { parseExpression } from "../../expression/parse.ts";

export interface EmitContext {
  /** JavaScript that reads a path below `event`, `undefined` where it is missing. */
  readonly read: (path: readonly string[]) => string;
  readonly prefix: string;
}

/** JavaScript of an expression in a chain: the event's fields are the chain's variables, `params` is in scope. */
export function emitExpression(text: string, { read, prefix }: EmitContext): EmittedExpression {
  return emitJavaScript(parseExpression(text), {
    runtime: "cel",
    prefix,
    field: ([root, ...path]) => {
      if (root === "event") return read(path);
      return path.length === 0 ? "params" : `R.below(params, ${JSON.stringify(path)})`;
    },
  });
}
