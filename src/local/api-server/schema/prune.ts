import { isMap } from "../json-value.ts";
import type { Schema } from "./structural.ts";
import { OBJECT_META, fieldSchema, publishedSchema, resolve } from "./structural.ts";

/** The three fields that every object has, also where a custom schema does not mention them. */
export function withObjectFields(schema: Schema): Schema {
  return {
    ...schema,
    type: "object",
    properties: {
      ...schema.properties,
      apiVersion: { type: "string" },
      kind: { type: "string" },
      metadata: publishedSchema(OBJECT_META),
    },
  };
}

function isOpen(schema: Schema): boolean {
  return schema["x-kubernetes-preserve-unknown-fields"] === true || schema.additionalProperties === true;
}

/** Published types without properties are free-form: times, quantities, FieldsV1, raw extensions. */
function isFreeForm(schema: Schema): boolean {
  return schema.properties === undefined && schema.additionalProperties === undefined && schema.items === undefined;
}

/** Removes fields that the schema does not know and names each by its path. */
export function prune(value: unknown, schema: Schema | undefined, unknown: string[], path = ""): unknown {
  const known = resolve(schema);
  if (known === undefined) return value;
  if (Array.isArray(value)) {
    const items = known.items;
    return items === undefined ? value : value.map((item, i) => prune(item, items, unknown, `${path}[${i}]`));
  }
  if (!isMap(value)) return value;
  return pruneMap(value, known, unknown, path);
}

function pruneMap(value: Record<string, unknown>, outer: Schema, unknown: string[], path: string): unknown {
  const schema = outer["x-kubernetes-embedded-resource"] === true ? withObjectFields(outer) : outer;
  const open = isOpen(schema) || (isFreeForm(schema) && schema.type !== "object");
  if (isFreeForm(schema) && (open || schema["x-kubernetes-int-or-string"] === true)) return value;
  const out: Record<string, unknown> = {};
  for (const [key, item] of Object.entries(value)) {
    const field = fieldSchema(schema, key);
    const at = path === "" ? key : `${path}.${key}`;
    if (field !== undefined) out[key] = prune(item, field, unknown, at);
    else if (open) out[key] = item;
    else unknown.push(at);
  }
  return out;
}
