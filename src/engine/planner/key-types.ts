import { WeirError } from "../../errors.ts";
import type { ValueType, VariableType } from "../../expression/value-type.ts";
import type { KeyTypes, PlanNode } from "../plan.ts";
import { nodePath, typeOfExpression } from "./expressions.ts";

/** A node, and what the schemas say of the records that it reads: of all its inputs, and of each. */
export interface KnownNode {
  readonly node: PlanNode;
  readonly event: VariableType | undefined;
  readonly sides: readonly (VariableType | undefined)[];
}

/**
 * What schemas say of the keys that state is kept by; nothing of a node whose key they do not tell. `1` and `"1"` are two
 * keys: state that was kept by texts has nothing for numbers.
 */
export function keyTypes(nodes: readonly KnownNode[]): { readonly keyTypes?: KeyTypes } {
  const types = nodes.flatMap(({ node, event, sides }): [string, string][] => {
    if (!("keying" in node)) return [];
    const found = node.kind === "join" ? sideTypes(node.keys, sides) : [typeOf(node.key, { event: event ?? "dyn" })];
    const type = found.find((t) => t !== undefined);
    return type === undefined ? [] : [[node.name, type]];
  });
  return types.length === 0 ? {} : { keyTypes: Object.fromEntries(types) };
}

/** Throws where the keys of two inputs can never be equal. */
export function refuseUnequalKeys({ node, sides }: KnownNode): void {
  if (node.kind !== "join" && node.kind !== "broadcast") return;
  const [left, right] = sideTypes(node.keys, sides);
  if (left === undefined || right === undefined || left === right) return;
  const [leftKey, rightKey] = node.keys;
  const why = `${leftKey} is a ${left} and ${rightKey} a ${right}, by the schemas, so no record ever has a partner; convert one, for example by string(…)`;
  const place = { path: nodePath(node.name), message: why };
  throw new WeirError("PIPELINE_INVALID", `node "${node.name}": ${why}`, { place });
}

const sideTypes = (
  [left, right]: readonly [string, string],
  [ofLeft = "dyn", ofRight = "dyn"]: readonly (VariableType | undefined)[],
): readonly (string | undefined)[] => [typeOf(left, { left: ofLeft }), typeOf(right, { right: ofRight })];

/** What is wrong with a key has been told by whoever made the node. */
function typeOf(key: string, variables: Readonly<Record<string, VariableType>>): string | undefined {
  const type = typeOfExpression({ name: "", variables, report: () => undefined }, key);
  return type === undefined ? undefined : nameOf(type);
}

function nameOf(type: ValueType): string | undefined {
  switch (type.kind) {
    case "string":
      return "text";
    case "int":
    case "double":
      return "number";
    case "bool":
      return "boolean";
    case "list": {
      const item = nameOf(type.item);
      return item === undefined ? undefined : `list of ${item}s`;
    }
    default:
      return undefined;
  }
}
