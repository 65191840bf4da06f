import { emitBinary } from "./emit-operator.ts";
import type { Emitted, Emitter, TextTest } from "./emitted.ts";
import { isTotal, settled } from "./emitted.ts";
import type { Expression, FieldPath, Macro, Node, NodeOf } from "./expression.ts";
import { anyNode } from "./expression.ts";
import { textOfPath } from "./references.ts";
import { FREE_TEXT } from "./runtime/budget.ts";

export interface EmitOptions {
  /**
   * JavaScript that reads a referenced path: the value, or undefined when it is missing. It is used more than once, so it
   * is the name of a variable or something as cheap, and free of side effects.
   */
  readonly field: (path: FieldPath) => string;
  /** A shorter way to compare a field with a text, where there is one. */
  readonly textTest?: TextTest;
  /** Name of the variable that holds `celRuntime` in the generated source. */
  readonly runtime: string;
  /** Begins the name of every variable made here; must differ between expressions of one function. Default "x". */
  readonly prefix?: string;
}

export interface EmittedExpression {
  /**
   * One JavaScript expression. Its value is the expression's, or a `Failure`; never undefined. Condition nodes compare
   * with `=== true` and `=== false`; anything else has failed.
   */
  readonly code: string;
  /** Variables to declare with `let` in the function around it. */
  readonly temps: readonly string[];
}

/**
 * Emits an expression as JavaScript that gives the same values as `evaluate`. Operations on numbers, texts and bools are
 * written out where a typeof test suffices; everything else calls the run-time operation that the interpreter calls.
 *
 *     emitJavaScript(parseExpression("event.n > 1"), { field: () => "v0", runtime: "rt" }).code
 *     // (typeof v0 === "number" ? v0 > 1 : rt.greater(rt.found(v0, "event.n"), 1))
 */
export function emitJavaScript(expression: Expression, options: EmitOptions): EmittedExpression {
  const temps: string[] = [];
  const prefix = options.prefix ?? "x";
  let count = 0;
  const emitter: Emitter = {
    runtime: options.runtime,
    field: options.field,
    textTest: options.textTest,
    local: (slot) => `${prefix}c${slot}`,
    temps,
    newName: () => `${prefix}${count++}`,
    emit: (node, within) => emit(node, within),
  };
  const { code } = settled(emit(expression.ast, emitter), emitter);
  return { code: needsBudget(expression.ast) ? `(${options.runtime}.begin(), ${code})` : code, temps };
}

/** Whether evaluating it may charge the budget; comparisons of fields with literals never do. */
function needsBudget(ast: Node): boolean {
  return anyNode(ast, (n) => {
    if (n.kind === "comprehension" || n.kind === "call") return true;
    if (n.kind !== "binary") return false;
    if (n.operator === "==" || n.operator === "!=" || n.operator === "in" || n.operator === "+")
      return n.left.kind !== "literal" && n.right.kind !== "literal";
    return false;
  });
}

const emitters = {
  literal: (n: NodeOf<"literal">): Emitted => ({ code: literal(n.value), atom: true, sure: kindOfLiteral(n.value) }),
  path: (n: NodeOf<"path">, e: Emitter): Emitted => ({ code: e.field(n.path), atom: true, path: textOfPath(n.path) }),
  hasPath: (n: NodeOf<"hasPath">, e: Emitter): Emitted => ({
    code: `(${e.field(n.path)} !== undefined)`,
    sure: "bool",
  }),
  local: (n: NodeOf<"local">, e: Emitter): Emitted => ({ code: e.local(n.slot), atom: true }),
  select: (n: NodeOf<"select" | "hasField">, e: Emitter) => operation(e, "select", [n.operand], [literal(n.key)]),
  hasField: (n: NodeOf<"select" | "hasField">, e: Emitter) => operation(e, "hasField", [n.operand], [literal(n.key)]),
  index: (n: NodeOf<"index">, e: Emitter) => operation(e, "at", [n.operand, n.index]),
  not: (n: NodeOf<"not" | "negate">, e: Emitter) => not(n.operand, e),
  negate: (n: NodeOf<"not" | "negate">, e: Emitter) => operation(e, "negate", [n.operand]),
  and: (n: NodeOf<"and" | "or">, e: Emitter) => logic(n.operands, false, e),
  or: (n: NodeOf<"and" | "or">, e: Emitter) => logic(n.operands, true, e),
  conditional,
  binary: emitBinary,
  list: (n: NodeOf<"list">, e: Emitter) => operation(e, "list", n.items),
  map: (n: NodeOf<"map">, e: Emitter) => operation(e, "map", n.entries.flat()),
  call,
  comprehension,
} as const satisfies Record<Node["kind"], (n: never, e: Emitter) => Emitted>;

function emit(node: Node, e: Emitter): Emitted {
  return (emitters[node.kind] as (n: Node, e: Emitter) => Emitted)(node, e);
}

/** JSON is JavaScript, but for -0. */
function literal(value: string | number | boolean | null): string {
  return Object.is(value, -0) ? "(-0)" : typeof value === "number" && value < 0 ? `(${value})` : JSON.stringify(value);
}

function kindOfLiteral(value: string | number | boolean | null): Emitted["sure"] {
  if (value === null) return "null";
  return typeof value === "boolean" ? "bool" : typeof value === "number" ? "number" : "string";
}

/** A call of a run-time operation. */
function operation(e: Emitter, name: string, nodes: readonly Node[], more: readonly string[] = []): Emitted {
  const args = nodes.map((n) => settled(e.emit(n, e), e).code);
  return { code: `${e.runtime}.${name}(${[...args, ...more].join(", ")})` };
}

function not(operand: Node, e: Emitter): Emitted {
  const inner = e.emit(operand, e);
  if (isTotal(inner, "bool")) return { code: `!${inner.code}`, sure: "bool" };
  return { code: `${e.runtime}.not(${settled(inner, e).code})` };
}

/** Every operand is written once: its value is kept until it is known whether a later operand decides. */
function logic(operands: readonly Node[], decisive: boolean, e: Emitter): Emitted {
  const parts = operands.map((n) => settled(e.emit(n, e), e));
  const join = decisive ? " || " : " && ";
  if (parts.every((p) => isTotal(p, "bool"))) return { code: `(${parts.map((p) => p.code).join(join)})`, sure: "bool" };
  const names = parts.map(() => newTemp(e));
  const decided = parts.map((p, i) => `(${names[i] ?? ""} = ${p.code}) === ${decisive}`).join(" || ");
  const settledAll = names.map((name) => `${name} === ${!decisive}`).join(" && ");
  const failed = `${e.runtime}.${decisive ? "notAllFalse" : "notAllTrue"}(${names.join(", ")})`;
  return { code: `(${decided} ? ${decisive} : ${settledAll} ? ${!decisive} : ${failed})` };
}

function newTemp(e: Emitter): string {
  const name = e.newName();
  e.temps.push(name);
  return name;
}

function conditional(n: NodeOf<"conditional">, e: Emitter): Emitted {
  const test = settled(e.emit(n.test, e), e);
  const [yes, no] = [n.yes, n.no].map((branch) => settled(e.emit(branch, e), e).code);
  if (isTotal(test, "bool")) return { code: `(${test.code} ? ${yes} : ${no})` };
  const name = newTemp(e);
  return {
    code: `((${name} = ${test.code}) === true ? ${yes} : ${name} === false ? ${no} : ${e.runtime}.notBool(${name}, "?:"))`,
  };
}

/** Tests of texts that are shorter than the free length need neither a charge nor a look at the overloads. */
const inlineTests: Readonly<Record<string, string>> = {
  contains: "includes",
  startsWith: "startsWith",
  endsWith: "endsWith",
};

function call(n: NodeOf<"call">, e: Emitter): Emitted {
  const [first, second] = n.args;
  const general = (args: readonly string[]): string => `${e.runtime}.functions[${literal(n.name)}](${args.join(", ")})`;
  const inline = inlineTests[n.name];
  if (inline === undefined || first === undefined || second?.kind !== "literal" || typeof second.value !== "string")
    return { code: general(n.args.map((arg) => settled(e.emit(arg, e), e).code)) };
  const [text, part] = [atomOf(e.emit(first, e), e), literal(second.value)];
  const test = `typeof ${text.code} === "string" && ${text.code}.length < ${FREE_TEXT}`;
  const slow = general([settled(text, e).code, part]);
  return { code: `${text.before}(${test} ? ${text.code}.${inline}(${part}) : ${slow})${text.after}` };
}

/** Gives a value a name where repeating its code would compute it twice. */
function atomOf(value: Emitted, e: Emitter): Emitted & { readonly before: string; readonly after: string } {
  if (value.atom === true) return { ...value, before: "", after: "" };
  const name = newTemp(e);
  return { ...value, code: name, atom: true, before: `(${name} = ${value.code}, `, after: ")" };
}

const loops: Readonly<Record<Macro, string>> = {
  all: "all",
  exists: "exists",
  exists_one: "existsOne",
  map: "mapItems",
  filter: "filter",
};

function comprehension(n: NodeOf<"comprehension">, e: Emitter): Emitted {
  const over = settled(e.emit(n.over, e), e).code;
  const bodies = [n.transform, n.predicate].filter((b) => b !== null).map((b) => closure(b, n.slot, e));
  return { code: `${e.runtime}.${loops[n.macro]}(${[over, ...bodies].join(", ")})` };
}

/** The body of a loop is a function with its own variables: loops may be nested, and bodies are called many times. */
function closure(body: Node, slot: number, e: Emitter): string {
  const temps: string[] = [];
  const within: Emitter = { ...e, temps };
  const { code } = settled(within.emit(body, within), within);
  const declared = temps.length === 0 ? "" : `let ${temps.join(", ")}; `;
  return `(${e.local(slot)}) => { ${declared}return ${code}; }`;
}
