import builtin from "./builtin-schemas.json" with { type: "json" };

export interface ValidationRule {
  rule: string;
  message?: string;
  messageExpression?: string;
  reason?: string;
  fieldPath?: string;
  optionalOldSelf?: boolean;
}

/** The part of OpenAPI v3 that Kubernetes calls structural, and what its published types use. */
export interface Schema {
  $ref?: string;
  type?: string;
  format?: string;
  description?: string;
  properties?: Record<string, Schema>;
  additionalProperties?: Schema | boolean;
  items?: Schema;
  required?: string[];
  default?: unknown;
  nullable?: boolean;
  enum?: unknown[];
  minimum?: number;
  maximum?: number;
  exclusiveMinimum?: boolean;
  exclusiveMaximum?: boolean;
  multipleOf?: number;
  minLength?: number;
  maxLength?: number;
  pattern?: string;
  minItems?: number;
  maxItems?: number;
  uniqueItems?: boolean;
  minProperties?: number;
  maxProperties?: number;
  allOf?: Schema[];
  anyOf?: Schema[];
  oneOf?: Schema[];
  not?: Schema;
  "x-kubernetes-preserve-unknown-fields"?: boolean;
  "x-kubernetes-embedded-resource"?: boolean;
  "x-kubernetes-int-or-string"?: boolean;
  "x-kubernetes-list-type"?: string;
  "x-kubernetes-list-map-keys"?: string[];
  "x-kubernetes-map-type"?: string;
  "x-kubernetes-patch-merge-key"?: string;
  "x-kubernetes-patch-strategy"?: string;
  "x-kubernetes-validations"?: ValidationRule[];
}

/** Published objects without fields (FieldsV1, raw extensions) hold anything; in a definition they would hold nothing. */
function opened(schema: Schema): Schema {
  const isFreeForm = schema.properties === undefined && schema.additionalProperties === undefined;
  return schema.type === "object" && isFreeForm ? { ...schema, "x-kubernetes-preserve-unknown-fields": true } : schema;
}

const raw = builtin.schemas as unknown as Readonly<Record<string, Schema>>;
const published: Readonly<Record<string, Schema>> = Object.fromEntries(
  Object.entries(raw).map(([name, schema]) => [name, opened(schema)]),
);
export const OBJECT_META = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta";

/** Follows a reference; the fields beside it (a default, a merge key) stay in force. */
export function resolve(schema: Schema | undefined): Schema | undefined {
  if (schema?.$ref === undefined) return schema;
  const { $ref, ...beside } = schema;
  return { ...published[$ref], ...beside };
}

/** A published type by its Go-ish name. */
export function publishedSchema(name: string): Schema {
  const schema = published[name];
  if (schema === undefined) throw new Error(`no published schema ${name}; add it to scripts/builtin-schemas.ts`);
  return schema;
}

export function publishedSchemas(): Readonly<Record<string, Schema>> {
  return published;
}

export function fieldSchema(schema: Schema | undefined, field: string): Schema | undefined {
  const known = schema?.properties?.[field];
  if (known !== undefined) return resolve(known);
  const rest = schema?.additionalProperties;
  return typeof rest === "object" ? resolve(rest) : undefined;
}

/** True when `field` is declared by name (a struct's field), not by additionalProperties (a map's key). */
export function isDeclared(schema: Schema | undefined, field: string): boolean {
  return schema?.properties !== undefined && field in schema.properties;
}
