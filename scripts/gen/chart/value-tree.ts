import { z } from "zod";
import { chartValues } from "./values.schema.ts";

/** The part of JSON Schema that zod writes for the chart's values. */
export interface ValueSchema {
  readonly type?: string | readonly string[];
  readonly description?: string;
  readonly default?: unknown;
  readonly enum?: readonly unknown[];
  readonly anyOf?: readonly ValueSchema[];
  readonly items?: ValueSchema;
  readonly properties?: Readonly<Record<string, ValueSchema>>;
  readonly additionalProperties?: unknown;
}

/** One value by its path; a section has children, a leaf is what a user sets. */
export interface ValueNode {
  readonly path: readonly string[];
  readonly schema: ValueSchema;
  readonly children: readonly ValueNode[];
}

/** JSON Schema of the values as a user gives them: nothing is required. Draft 7 is what all Helm versions read. */
export function valuesJsonSchema(): ValueSchema {
  return z.toJSONSchema(chartValues, { target: "draft-7", io: "input" }) as ValueSchema;
}

export function valueTree(): readonly ValueNode[] {
  return childrenOf(valuesJsonSchema(), []);
}

export function leaves(nodes: readonly ValueNode[]): readonly ValueNode[] {
  return nodes.flatMap((node) => (isSection(node) ? leaves(node.children) : [node]));
}

/** A section has no value of its own. */
export const isSection = (node: ValueNode): boolean => node.children.length > 0;

function childrenOf(schema: ValueSchema, path: readonly string[]): ValueNode[] {
  return Object.entries(schema.properties ?? {}).map(([name, child]) => {
    const at = [...path, name];
    return { path: at, schema: child, children: childrenOf(child, at) };
  });
}
