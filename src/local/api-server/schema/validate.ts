import { canonical, isMap } from "../json-value.ts";
import type { Cause } from "../status-error.ts";
import { conforms } from "./formats.ts";
import { goRegex } from "./go-regex.ts";
import type { Schema } from "./structural.ts";
import { resolve } from "./structural.ts";

type Check = (value: unknown, schema: Schema, path: string) => Cause[];

function bad(field: string, value: unknown, why: string): Cause {
  return { reason: "FieldValueInvalid", message: `Invalid value: ${shown(value)}: ${why}`, field };
}

/** Values of objects and lists are not repeated in messages; the real server writes their type instead. */
function shown(value: unknown): string {
  if (Array.isArray(value)) return JSON.stringify("array");
  if (isMap(value)) return JSON.stringify("object");
  return JSON.stringify(value);
}

function typeName(value: unknown): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "array";
  if (typeof value === "number") return Number.isInteger(value) ? "integer" : "number";
  return typeof value;
}

function hasType(value: unknown, schema: Schema): boolean {
  if (value === null) return schema.nullable === true || schema.type === undefined;
  if (schema["x-kubernetes-int-or-string"] === true) return typeof value === "string" || Number.isInteger(value);
  if (schema.type === undefined) return true;
  const actual = typeName(value);
  return actual === schema.type || (actual === "integer" && schema.type === "number");
}

const checkType: Check = (value, schema, path) => {
  if (hasType(value, schema)) return [];
  const wanted = schema["x-kubernetes-int-or-string"] === true ? "integer,string" : schema.type;
  const where = path === "" ? "" : `${path} `;
  return [
    {
      reason: "FieldValueTypeInvalid",
      message: `Invalid value: ${JSON.stringify(typeName(value))}: ${where}in body must be of type ${wanted}: ${JSON.stringify(typeName(value))}`,
      field: path === "" ? "<nil>" : path,
    },
  ];
};

const checkNumber: Check = (value, schema, path) => {
  if (typeof value !== "number") return [];
  const { minimum, maximum, multipleOf } = schema;
  const tooSmall = minimum !== undefined && (schema.exclusiveMinimum === true ? value <= minimum : value < minimum);
  const tooLarge = maximum !== undefined && (schema.exclusiveMaximum === true ? value >= maximum : value > maximum);
  const orEqual = (exclusive: boolean | undefined): string => (exclusive === true ? "" : "or equal to ");
  return [
    ...(tooSmall
      ? [bad(path, value, `${path} in body should be greater than ${orEqual(schema.exclusiveMinimum)}${minimum}`)]
      : []),
    ...(tooLarge
      ? [bad(path, value, `${path} in body should be less than ${orEqual(schema.exclusiveMaximum)}${maximum}`)]
      : []),
    ...(multipleOf !== undefined && value % multipleOf !== 0
      ? [bad(path, value, `${path} in body should be a multiple of ${multipleOf}`)]
      : []),
  ];
};

const checkString: Check = (value, schema, path) => {
  if (typeof value !== "string") return [];
  const { length } = Array.from(value);
  const { minLength, maxLength, pattern, format } = schema;
  return [
    ...(maxLength !== undefined && length > maxLength
      ? [{ reason: "FieldValueTooLong", message: `Too long: may not be more than ${maxLength} bytes`, field: path }]
      : []),
    ...(minLength !== undefined && length < minLength
      ? [bad(path, value, `${path} in body should be at least ${minLength} chars long`)]
      : []),
    ...(pattern !== undefined && !goRegex(pattern).test(value)
      ? [bad(path, value, `${path} in body should match '${pattern}'`)]
      : []),
    ...(format !== undefined && !conforms(value, format)
      ? [bad(path, value, `${path} in body must be of type ${format}: ${JSON.stringify(value)}`)]
      : []),
  ];
};

const checkEnum: Check = (value, schema, path) => {
  if (schema.enum === undefined || schema.enum.some((allowed) => canonical(allowed) === canonical(value))) return [];
  const supported = schema.enum.map((allowed) => JSON.stringify(allowed)).join(", ");
  const message = `Unsupported value: ${shown(value)}: supported values: ${supported}`;
  return [{ reason: "FieldValueNotSupported", message, field: path }];
};

function tooMany(path: string, actual: number, most: number): Cause {
  const message = `Too many: ${actual}: must have at most ${most} items`;
  return { reason: "FieldValueTooMany", message, field: path };
}

function listKey(item: unknown, keys: readonly string[] | undefined): string {
  return canonical(keys === undefined ? item : keys.map((key) => (isMap(item) ? item[key] : undefined)));
}

/** Sets and keyed lists may not name the same element twice. */
function duplicateCauses(items: readonly unknown[], schema: Schema, path: string): Cause[] {
  const listType = schema["x-kubernetes-list-type"];
  if (listType !== "set" && listType !== "map") return [];
  const keys = listType === "map" ? schema["x-kubernetes-list-map-keys"] : undefined;
  const seen = new Set<string>();
  return items.flatMap((item, i) => {
    const key = listKey(item, keys);
    const isNew = !seen.has(key);
    seen.add(key);
    if (isNew) return [];
    const named =
      keys === undefined ? item : Object.fromEntries(keys.map((k) => [k, isMap(item) ? item[k] : undefined]));
    const message = `Duplicate value: ${JSON.stringify(named)}`;
    return [{ reason: "FieldValueDuplicate", message, field: `${path}[${i}]` }];
  });
}

const checkList: Check = (value, schema, path) => {
  if (!Array.isArray(value)) return [];
  const { minItems, maxItems, items } = schema;
  return [
    ...(maxItems !== undefined && value.length > maxItems ? [tooMany(path, value.length, maxItems)] : []),
    ...(minItems !== undefined && value.length < minItems
      ? [bad(path, value.length, `${path} in body should have at least ${minItems} items`)]
      : []),
    ...duplicateCauses(value, schema, path),
    ...(items === undefined ? [] : value.flatMap((item, i) => validate(item, items, `${path}[${i}]`))),
  ];
};

const checkMap: Check = (value, schema, path) => {
  if (!isMap(value)) return [];
  const size = Object.keys(value).length;
  const { minProperties, maxProperties, additionalProperties } = schema;
  const under = (key: string): string => (path === "" ? key : `${path}.${key}`);
  const missing = (schema.required ?? []).filter((key) => value[key] === undefined);
  return [
    ...(maxProperties !== undefined && size > maxProperties ? [tooMany(path, size, maxProperties)] : []),
    ...(minProperties !== undefined && size < minProperties
      ? [bad(path, value, `${path} in body should have at least ${minProperties} properties`)]
      : []),
    ...missing.map((key) => ({ reason: "FieldValueRequired", message: "Required value", field: under(key) })),
    ...Object.entries(value).flatMap(([key, item]) => {
      const field = schema.properties?.[key];
      if (field !== undefined) return validate(item, field, under(key));
      if (typeof additionalProperties !== "object") return [];
      return validate(item, additionalProperties, `${path}.${key}`);
    }),
  ];
};

const checkCombined: Check = (value, schema, path) => {
  const passes = (inner: Schema): boolean => validate(value, inner, path).length === 0;
  const where = path === "" ? "" : `${path} `;
  const { anyOf, oneOf, allOf, not } = schema;
  const isIntOrString = schema["x-kubernetes-int-or-string"] === true;
  return [
    ...(anyOf !== undefined && !isIntOrString && !anyOf.some(passes)
      ? [bad(path, "", `${where}in body must validate at least one schema (anyOf)`)]
      : []),
    ...(oneOf !== undefined && oneOf.filter(passes).length !== 1
      ? [bad(path, "", `${where}in body must validate one and only one schema (oneOf). Found none valid`)]
      : []),
    ...(allOf ?? []).flatMap((inner) => validate(value, inner, path)),
    ...(not !== undefined && passes(not) ? [bad(path, "", `${where}in body must not validate the schema (not)`)] : []),
  ];
};

const checks: readonly Check[] = [checkEnum, checkNumber, checkString, checkList, checkMap, checkCombined];

/** What is wrong with a value, in the words of the real server. */
export function validate(value: unknown, outer: Schema, path = ""): Cause[] {
  if (value === undefined) return [];
  const schema = resolve(outer) ?? outer;
  const wrongType = checkType(value, schema, path);
  if (wrongType.length > 0 || value === null) return wrongType;
  return checks.flatMap((check) => check(value, schema, path));
}
