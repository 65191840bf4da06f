import { isMap } from "../json-value.ts";
import type { Schema } from "./structural.ts";
import { resolve } from "./structural.ts";

/** Fills missing fields from the schema, top down, so that a default object gets the defaults inside it too. */
export function withDefaults(value: unknown, outer: Schema | undefined): unknown {
  const schema = resolve(outer);
  if (schema === undefined) return value;
  if (Array.isArray(value)) {
    return schema.items === undefined ? value : value.map((item) => withDefaults(item, schema.items));
  }
  if (!isMap(value)) return value;
  return mapWithDefaults(value, schema);
}

function mapWithDefaults(value: Record<string, unknown>, schema: Schema): Record<string, unknown> {
  const rest = schema.additionalProperties;
  const values = typeof rest === "object" ? rest : undefined;
  const out: Record<string, unknown> = {};
  for (const [key, item] of Object.entries(value)) {
    const field = schema.properties?.[key] ?? values;
    if (item === null && isReplaced(field)) continue;
    out[key] = withDefaults(item, field);
  }
  for (const [key, field] of Object.entries(schema.properties ?? {})) {
    if (out[key] !== undefined || field.default === undefined) continue;
    out[key] = withDefaults(structuredClone(field.default), field);
  }
  return out;
}

/** A null where the schema allows none means "not set", so the default takes its place. */
function isReplaced(field: Schema | undefined): boolean {
  return field?.default !== undefined && field.nullable !== true;
}
