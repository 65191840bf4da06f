import { checkFunction, MACROS } from "./check-call.ts";
import type { Macro, Node } from "./expression.ts";
import type { Checker, Place } from "./scope.ts";
import { condition, inner, invalid } from "./scope.ts";
import type { Syntax } from "./syntax.ts";
import type { ValueType } from "./value-type.ts";
import { BOOL, DYN, isMapLike, listOf, nameOfType, STRING } from "./value-type.ts";

interface Method extends Place {
  readonly name: string;
  readonly receiver: Syntax;
  readonly args: readonly Syntax[];
}

/** `x.f(…)`: a macro over a list or a map's keys, or a function. */
export function checkMethod(call: Method, sub: Checker): Node {
  const macro = MACROS.find((m) => m === call.name);
  if (macro !== undefined) return comprehension(macro, call, sub);
  return checkFunction("method", { ...call, args: [sub(call.receiver), ...call.args.map((n) => sub(n))] });
}

function comprehension(macro: Macro, call: Method, sub: Checker): Node {
  const { receiver, node, scope } = call;
  const { variable, test, value } = bodies(macro, call);
  const over = sub(receiver);
  const item = itemType(over.type);
  if (item === undefined)
    throw invalid(scope, node, `${macro} runs over a list or a map, not ${nameOfType(over.type)}`);
  const { scope: within, slot } = inner(scope, variable, item);
  const transform = value === undefined ? null : sub(value, within);
  const predicate = test === undefined ? null : condition(test, within, sub);
  return { kind: "comprehension", type: resultType(macro, item, transform), macro, over, slot, predicate, transform };
}

/** `map` takes a value, or a condition and a value; the others take a condition. */
function bodies(macro: Macro, { args, node, scope }: Method): { variable: string; test?: Syntax; value?: Syntax } {
  const [name, first, second] = args;
  const fits = macro === "map" ? args.length === 2 || args.length === 3 : args.length === 2;
  if (name?.op !== "id" || first === undefined || !fits)
    throw invalid(scope, node, `${macro} takes a name and an expression: list.${macro}(x, …)`);
  if (macro !== "map") return { variable: name.args, test: first };
  return second === undefined
    ? { variable: name.args, value: first }
    : { variable: name.args, test: first, value: second };
}

function itemType(over: ValueType): ValueType | undefined {
  if (over.kind === "list") return over.item;
  if (isMapLike(over)) return STRING;
  return over.kind === "dyn" ? DYN : undefined;
}

function resultType(macro: Macro, item: ValueType, transform: Node | null): ValueType {
  if (macro === "filter") return listOf(item);
  return macro === "map" ? listOf(transform?.type ?? DYN) : BOOL;
}
