import { Environment } from "@marcbachmann/cel-js";
import { messageOf } from "../../errors.ts";
import { deepEqual, isMap } from "./json-value.ts";
import { elementStep, listKind } from "./patch/field-set.ts";
import { goRegex } from "./schema/go-regex.ts";
import type { Schema, ValidationRule } from "./schema/structural.ts";
import { fieldSchema, resolve } from "./schema/structural.ts";
import type { Cause } from "./status-error.ts";

type Program = (context: Record<string, unknown>) => unknown;

const environment = new Environment({ unlistedVariablesAreDyn: true, enableOptionalTypes: true })
  .registerFunction("string.matchesGo(string): bool", (text: string, pattern: string) => goRegex(pattern).test(text))
  .registerFunction("isURL(string): bool", (text: string) => URL.canParse(text))
  .registerFunction("list.isSorted(): bool", (items: unknown[]) =>
    items.every((item, i) => i === 0 || Number(items[i - 1]) <= Number(item)),
  );

/** The library's own matches() takes JavaScript's regular expressions; the cluster's takes Go's. */
const LITERAL_OR_MATCHES = /("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')|\.matches\(/g;

const programs = new Map<string, Program>();

function programOf(expression: string): Program {
  const known = programs.get(expression);
  if (known !== undefined) return known;
  const parsed = environment.parse(
    expression.replaceAll(LITERAL_OR_MATCHES, (text, literal?: string) => literal ?? ".matchesGo("),
  );
  const program: Program = (context) => parsed(context);
  programs.set(expression, program);
  return program;
}

/** A problem in an expression, or undefined; a definition with one is refused. */
export function ruleProblem(expression: string): string | undefined {
  try {
    programOf(expression);
    return undefined;
  } catch (e) {
    return messageOf(e);
  }
}

/** JSON as CEL sees it: integers are ints where the schema says so (or says nothing), other numbers are doubles. */
function toCel(value: unknown, outer: Schema | undefined): unknown {
  const schema = resolve(outer);
  if (typeof value === "number") {
    return schema?.type !== "number" && Number.isInteger(value) ? BigInt(value) : value;
  }
  if (Array.isArray(value)) return value.map((item) => toCel(item, schema?.items));
  if (!isMap(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, toCel(item, fieldSchema(schema, key))]));
}

interface Node {
  readonly value: unknown;
  /** undefined where there is nothing to compare with: a create, or a new element. */
  readonly old: unknown;
  readonly schema: Schema;
  readonly path: string;
}

const usesOldSelf = (rule: ValidationRule): boolean => /\boldSelf\b/.test(rule.rule);

function shown(value: unknown): string {
  if (Array.isArray(value)) return JSON.stringify("array");
  return JSON.stringify(isMap(value) ? "object" : value);
}

const REASONS: Readonly<Record<string, string>> = {
  FieldValueForbidden: "Forbidden: ",
  FieldValueRequired: "Required value: ",
  FieldValueDuplicate: "Duplicate value: ",
};

function failure(rule: ValidationRule, node: Node, message: string): Cause {
  const reason = rule.reason ?? "FieldValueInvalid";
  const own = REASONS[reason] ?? `Invalid value: ${shown(node.value)}: `;
  const prefix = reason === "FieldValueDuplicate" ? `Duplicate value: ${shown(node.value)}` : own;
  const field = `${node.path}${rule.fieldPath ?? ""}`;
  const text = reason === "FieldValueDuplicate" ? prefix : prefix + message;
  return { reason, message: text, field: field === "" ? "<nil>" : field.replace(/^\./, "") };
}

function evaluate(rule: ValidationRule, node: Node): Cause[] {
  const transition = usesOldSelf(rule);
  if (transition && node.old === undefined && rule.optionalOldSelf !== true) return [];
  const context = { self: toCel(node.value, node.schema), oldSelf: toCel(node.old, node.schema) };
  try {
    if (programOf(rule.rule)(context) === true) return [];
  } catch (e) {
    const message = `${rule.rule} evaluation error: ${messageOf(e).split("\n")[0]}`;
    return [failure({ ...rule, reason: "FieldValueInvalid" }, node, message)];
  }
  return [failure(rule, node, messageFor(rule, context))];
}

function messageFor(rule: ValidationRule, context: Record<string, unknown>): string {
  if (rule.messageExpression !== undefined) {
    try {
      const text = programOf(rule.messageExpression)(context);
      if (typeof text === "string" && text.trim() !== "") return text;
    } catch {
      return rule.message ?? `failed rule: ${rule.rule}`;
    }
  }
  return rule.message ?? `failed rule: ${rule.rule}`;
}

function children(node: Node): Node[] {
  const { value, old, schema, path } = node;
  if (Array.isArray(value)) {
    const items = resolve(schema.items);
    return items === undefined
      ? []
      : value.map((item, i) => ({
          value: item,
          old: oldElement(item, old, schema),
          schema: items,
          path: `${path}[${i}]`,
        }));
  }
  if (!isMap(value)) return [];
  return Object.entries(value).flatMap(([key, item]) => {
    const field = fieldSchema(schema, key);
    const before = isMap(old) ? old[key] : undefined;
    return field === undefined
      ? []
      : [{ value: item, old: before, schema: field, path: path === "" ? key : `${path}.${key}` }];
  });
}

/** Elements are compared over time only where a key says which is which. */
function oldElement(item: unknown, old: unknown, schema: Schema): unknown {
  if (!Array.isArray(old) || listKind(schema).kind !== "map") return undefined;
  const step = elementStep(item, schema);
  return old.find((candidate) => elementStep(candidate, schema) === step);
}

function visit(node: Node, ratchet: boolean): Cause[] {
  if (node.value === null || node.value === undefined) return [];
  // What did not change was accepted before; transition rules hold for equal values as well as they did.
  if (ratchet && node.old !== undefined && deepEqual(node.value, node.old)) return [];
  const own = (node.schema["x-kubernetes-validations"] ?? []).flatMap((rule) => evaluate(rule, node));
  return [...own, ...children(node).flatMap((child) => visit(child, ratchet))];
}

/** The x-kubernetes-validations of a schema; on update those of unchanged values are not asked again. */
export function ruleCauses(value: unknown, old: unknown, schema: Schema): Cause[] {
  return visit({ value, old, schema: resolve(schema) ?? schema, path: "" }, old !== undefined);
}

/** True when the schema has rules anywhere. */
export function hasRules(schema: Schema): boolean {
  return JSON.stringify(schema).includes('"x-kubernetes-validations"');
}
