import type { ValueType } from "./value-type.ts";

/** A variable and the names below it: `event.payload.lag` is ["event", "payload", "lag"]. */
export type FieldPath = readonly string[];

export interface Expression {
  /** As the user wrote it. */
  readonly text: string;
  readonly ast: Node;
  readonly type: ValueType;
  /** Every path that is read, each once; the variable alone where the whole of it is needed. */
  readonly references: readonly FieldPath[];
  /** Upper estimate of the steps of one evaluation. */
  readonly cost: number;
}

export type BinaryOperator = ArithmeticOperator | CompareOperator | "==" | "!=" | "in";
export type ArithmeticOperator = "+" | "-" | "*" | "/" | "%";
export type CompareOperator = "<" | "<=" | ">" | ">=";
export type Macro = "all" | "exists" | "exists_one" | "map" | "filter";

interface Typed {
  readonly type: ValueType;
}

/** The checked tree: names are resolved, macros are nodes, and nothing in it is more than data. */
export type Node =
  | (Typed & { readonly kind: "literal"; readonly value: string | number | boolean | null })
  | (Typed & { readonly kind: "path"; readonly path: FieldPath })
  | (Typed & { readonly kind: "hasPath"; readonly path: FieldPath })
  | (Typed & { readonly kind: "local"; readonly slot: number })
  | (Typed & { readonly kind: "select" | "hasField"; readonly operand: Node; readonly key: string })
  | (Typed & { readonly kind: "index"; readonly operand: Node; readonly index: Node })
  | (Typed & { readonly kind: "not" | "negate"; readonly operand: Node })
  | (Typed & { readonly kind: "and" | "or"; readonly operands: readonly Node[] })
  | (Typed & { readonly kind: "conditional"; readonly test: Node; readonly yes: Node; readonly no: Node })
  | (Typed & {
      readonly kind: "binary";
      readonly operator: BinaryOperator;
      readonly left: Node;
      readonly right: Node;
      /** One side is surely a double: arithmetic is that of doubles, whatever the values are. */
      readonly double: boolean;
    })
  | (Typed & { readonly kind: "list"; readonly items: readonly Node[] })
  | (Typed & { readonly kind: "map"; readonly entries: readonly (readonly [Node, Node])[] })
  | (Typed & { readonly kind: "call"; readonly name: string; readonly args: readonly Node[] })
  | (Typed & {
      readonly kind: "comprehension";
      readonly macro: Macro;
      readonly over: Node;
      /** Number of the loop variable, unique in the expression. */
      readonly slot: number;
      readonly predicate: Node | null;
      /** Of `map` only. */
      readonly transform: Node | null;
    });
export type NodeKind = Node["kind"];
export type NodeOf<K extends NodeKind> = Extract<Node, { kind: K }>;

const none = (): readonly Node[] => [];
const children = {
  literal: none,
  path: none,
  hasPath: none,
  local: none,
  select: (n: NodeOf<"select" | "hasField">) => [n.operand],
  hasField: (n: NodeOf<"select" | "hasField">) => [n.operand],
  not: (n: NodeOf<"not" | "negate">) => [n.operand],
  negate: (n: NodeOf<"not" | "negate">) => [n.operand],
  index: (n: NodeOf<"index">) => [n.operand, n.index],
  and: (n: NodeOf<"and" | "or">) => n.operands,
  or: (n: NodeOf<"and" | "or">) => n.operands,
  conditional: (n: NodeOf<"conditional">) => [n.test, n.yes, n.no],
  binary: (n: NodeOf<"binary">) => [n.left, n.right],
  list: (n: NodeOf<"list">) => n.items,
  map: (n: NodeOf<"map">) => n.entries.flat(),
  call: (n: NodeOf<"call">) => n.args,
  comprehension: (n: NodeOf<"comprehension">) => [n.over, n.predicate, n.transform].filter((c) => c !== null),
} as const satisfies Record<NodeKind, (n: never) => readonly Node[]>;

export function childrenOf(node: Node): readonly Node[] {
  return (children[node.kind] as (n: Node) => readonly Node[])(node);
}

export function anyNode(node: Node, holds: (n: Node) => boolean): boolean {
  return holds(node) || childrenOf(node).some((child) => anyNode(child, holds));
}
