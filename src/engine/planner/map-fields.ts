import { WeirError } from "../../errors.ts";
import { checkExpression } from "./expressions.ts";
import type { CheckedNode } from "./expressions.ts";

/** The fields of a new record, by their paths; `operation` is what the user calls it. */
export function mapFields(at: CheckedNode, operation: string, map: Readonly<Record<string, string>>) {
  const node = at.name;
  const fields = Object.entries(map).map(([field, text]) => ({
    path: field.split("."),
    expression: checkExpression(at, text),
  }));
  if (fields.length === 0) throw new WeirError("PIPELINE_INVALID", `node "${node}": ${operation} has no fields`);
  for (const { path } of fields) {
    if (path.some((part) => !/^[A-Za-z_][A-Za-z0-9_]*$/.test(part)))
      throw new WeirError("PIPELINE_INVALID", `node "${node}": "${path.join(".")}" is not a field path`);
    const inner = fields.find((f) => f.path.length > path.length && path.every((part, i) => part === f.path[i]));
    if (inner !== undefined)
      throw new WeirError(
        "PIPELINE_INVALID",
        `node "${node}": field "${path.join(".")}" is both a value and an object with "${inner.path.join(".")}"`,
      );
  }
  return fields;
}
