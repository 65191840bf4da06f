import { z } from "zod";

/** The subset of OpenAPI v3 that Kubernetes calls a structural schema, as it stands in a CRD. */
export interface OpenApiSchema {
  type?: "object" | "array" | "string" | "integer" | "number" | "boolean";
  description?: string;
  properties?: Record<string, OpenApiSchema>;
  required?: string[];
  additionalProperties?: OpenApiSchema;
  items?: OpenApiSchema;
  enum?: (string | number | boolean)[];
  default?: unknown;
  pattern?: string;
  minLength?: number;
  maxLength?: number;
  minimum?: number;
  maximum?: number;
  minItems?: number;
  maxItems?: number;
  maxProperties?: number;
  "x-kubernetes-validations"?: { rule: string; message: string }[];
  "x-kubernetes-int-or-string"?: true;
  "x-kubernetes-preserve-unknown-fields"?: true;
  "x-kubernetes-list-type"?: "map" | "set" | "atomic";
  "x-kubernetes-list-map-keys"?: string[];
}

type Json = Readonly<Record<string, unknown>>;

const COPIED = [
  "description",
  "enum",
  "pattern",
  "minLength",
  "maxLength",
  "maxItems",
  "maxProperties",
  "x-kubernetes-validations",
  "x-kubernetes-list-type",
  "x-kubernetes-list-map-keys",
] as const;

/** Turns one of this folder's zod schemas into its structural form. */
export function toOpenApi(schema: z.ZodType): OpenApiSchema {
  return convert(z.toJSONSchema(schema, { io: "input", reused: "inline", unrepresentable: "any" }) as Json);
}

function convert(json: Json): OpenApiSchema {
  const out: OpenApiSchema = {};
  if (json["x-kubernetes-int-or-string"] === true) return intOrString(json);
  if (json["type"] !== undefined) out.type = json["type"] as NonNullable<OpenApiSchema["type"]>;
  for (const key of COPIED) if (json[key] !== undefined) Object.assign(out, { [key]: json[key] });
  if (json["const"] !== undefined) out.enum = [json["const"] as string];
  copyBounds(json, out);
  if (json["x-kubernetes-preserve-unknown-fields"] === true) {
    out["x-kubernetes-preserve-unknown-fields"] = true;
    return out;
  }
  return children(json, out);
}

/** Zod says the range of safe integers and lower bounds of zero items: noise in a CRD. */
function copyBounds(json: Json, out: OpenApiSchema): void {
  const { minimum, maximum, minItems } = json as { minimum?: number; maximum?: number; minItems?: number };
  if (minimum !== undefined && minimum > Number.MIN_SAFE_INTEGER) out.minimum = minimum;
  if (maximum !== undefined && maximum < Number.MAX_SAFE_INTEGER) out.maximum = maximum;
  if (minItems !== undefined && minItems > 0) out.minItems = minItems;
}

function children(json: Json, out: OpenApiSchema): OpenApiSchema {
  if (json["properties"] !== undefined) {
    const entries = Object.entries(json["properties"] as Record<string, Json>);
    // The API server stores no empty map: a definition with one would differ from its stored form for ever.
    if (entries.length > 0) out.properties = Object.fromEntries(entries.map(([name, child]) => [name, convert(child)]));
  }
  if (json["required"] !== undefined) out.required = json["required"] as string[];
  if (json["items"] !== undefined) out.items = convert(json["items"] as Json);
  const rest = json["additionalProperties"];
  if (typeof rest === "object" && rest !== null && out.properties === undefined) {
    out.additionalProperties = convert(rest as Json);
  }
  return out;
}

/** The text form's pattern and bound stand beside the keyword; they apply to texts only. */
function intOrString(json: Json): OpenApiSchema {
  const text = ((json["anyOf"] ?? []) as Json[]).find((s) => s["type"] === "string") ?? {};
  const out: OpenApiSchema = { "x-kubernetes-int-or-string": true };
  if (text["pattern"] !== undefined) out.pattern = text["pattern"] as string;
  if (text["maxLength"] !== undefined) out.maxLength = text["maxLength"] as number;
  return out;
}
