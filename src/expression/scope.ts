import type { WeirError } from "../errors.ts";
import { errorAt } from "./diagnostic.ts";
import type { Syntax } from "./syntax.ts";
import type { Node } from "./expression.ts";
import type { ValueType } from "./value-type.ts";
import { nameOfType } from "./value-type.ts";

interface Local {
  readonly slot: number;
  readonly type: ValueType;
}

/** What a name means where it is used. */
export interface Scope {
  readonly text: string;
  readonly variables: ReadonlyMap<string, ValueType>;
  readonly locals: ReadonlyMap<string, Local>;
  /** Gives each loop variable of the expression its own slot. */
  readonly nextSlot: () => number;
}

export function rootScope(text: string, variables: ReadonlyMap<string, ValueType>): Scope {
  let slots = 0;
  return { text, variables, locals: new Map(), nextSlot: () => slots++ };
}

/** The scope inside a macro. */
export function inner(scope: Scope, name: string, type: ValueType): { scope: Scope; slot: number } {
  const slot = scope.nextSlot();
  return { slot, scope: { ...scope, locals: new Map(scope.locals).set(name, { slot, type }) } };
}

export const invalid = (scope: Scope, node: Syntax, message: string): WeirError =>
  errorAt(scope.text, node.pos, message);

/** Checks a part of the expression, in the same scope or inside a macro's. */
export type Checker = (node: Syntax, within?: Scope) => Node;

/** Where something is checked, for its error. */
export interface Place {
  readonly node: Syntax;
  readonly scope: Scope;
}

/** Checks a part that must be true or false. */
export function condition(node: Syntax, scope: Scope, sub: Checker): Node {
  const checked = sub(node, scope);
  const kind = checked.type.kind;
  if (kind === "bool" || kind === "dyn") return checked;
  throw invalid(scope, node, `this must be true or false, but is of type ${nameOfType(checked.type)}`);
}
