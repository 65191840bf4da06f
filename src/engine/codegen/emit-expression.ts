import { emitJavaScript } from "../../expression/emit.ts";
import type { EmitOptions, EmittedExpression } from "../../expression/emit.ts";
import { parseExpression } from "../../expression/parse.ts";
import { VARIABLES } from "../planner/field-path.ts";
import type { Variable } from "../planner/field-path.ts";

export interface EmitContext {
  /** JavaScript that reads a path of the record, `undefined` where it is missing. */
  readonly read: (path: readonly string[]) => string;
  /** How a path of the record is compared with a text as bytes. */
  readonly textTest: NonNullable<EmitOptions["textTest"]>;
  /** The variable that is the whole record; others but `params` are its fields, as in a pair. */
  readonly record: Variable;
  readonly prefix: string;
}

/** JavaScript of an expression in a chain: the record's fields are the chain's variables, `params` is in scope. */
export function emitExpression(text: string, { read, textTest, record, prefix }: EmitContext): EmittedExpression {
  return emitJavaScript(parseExpression(text, { variables: VARIABLES }), {
    runtime: "cel",
    prefix,
    textTest: ([root, ...path], literal) => {
      if (root === record) return textTest(path, literal);
      return root === "left" || root === "right" ? textTest([root, ...path], literal) : undefined;
    },
    field: ([root, ...path]) => {
      if (root === record) return read(path);
      if (root === "left" || root === "right") return read([root, ...path]);
      return path.length === 0 ? "params" : `R.below(params, ${JSON.stringify(path)})`;
    },
  });
}
