import { z } from "zod";

/** The part of a schema that describes what is at a path; undefined where it describes nothing there. */
export function schemaAt(schema: z.core.$ZodType, path: readonly PropertyKey[]): z.core.$ZodType | undefined {
  return path.reduce<z.core.$ZodType | undefined>((at, key) => at && below(bare(at), key), schema);
}

/** The names of an object's fields; none of what is no object, or one of any fields. */
export function fieldsOf(schema: z.core.$ZodType | undefined): readonly string[] {
  const at = schema && bare(schema);
  return at instanceof z.core.$ZodObject ? Object.keys(at._zod.def.shape) : [];
}

/** What a text must be, as its pattern's message says it: `must be a duration such as 1m30s`. */
export function patternMessage(schema: z.core.$ZodType | undefined): string | undefined {
  const at = schema && bare(schema);
  if (!(at instanceof z.core.$ZodString)) return undefined;
  const pattern = at._zod.def.checks?.find((check) => check._zod.def.check === "string_format");
  return pattern?._zod.def.error?.({} as never) as string | undefined;
}

function bare(schema: z.core.$ZodType): z.core.$ZodType {
  if (
    schema instanceof z.core.$ZodOptional ||
    schema instanceof z.core.$ZodDefault ||
    schema instanceof z.core.$ZodPrefault
  )
    return bare(schema._zod.def.innerType);
  return schema instanceof z.core.$ZodPipe ? bare(schema._zod.def.in) : schema;
}

function below(schema: z.core.$ZodType, key: PropertyKey): z.core.$ZodType | undefined {
  if (schema instanceof z.core.$ZodObject) return schema._zod.def.shape[String(key)];
  if (schema instanceof z.core.$ZodArray) return schema._zod.def.element;
  return schema instanceof z.core.$ZodRecord ? schema._zod.def.valueType : undefined;
}
