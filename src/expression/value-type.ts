/** Static types. A value of type dyn is checked when it is used. */
export type ValueType =
  | { readonly kind: "dyn" | "null" | "bool" | "int" | "string" | "timestamp" | "duration" }
  /** `claimed` by a schema: enough to refuse what cannot be meant, but the values decide how they are calculated with. */
  | { readonly kind: "double"; readonly claimed?: true }
  | { readonly kind: "list"; readonly item: ValueType }
  | { readonly kind: "map"; readonly value: ValueType }
  | { readonly kind: "object"; readonly fields: ReadonlyMap<string, ValueType> };
export type TypeKind = ValueType["kind"];

const simple = <K extends TypeKind>(kind: K): { readonly kind: K } => ({ kind });
export const DYN = simple("dyn");
export const NULL = simple("null");
export const BOOL = simple("bool");
export const INT = simple("int");
export const DOUBLE = simple("double");
export const CLAIMED_DOUBLE: ValueType = { kind: "double", claimed: true };
export const STRING = simple("string");
export const TIMESTAMP = simple("timestamp");
export const DURATION = simple("duration");
export const listOf = (item: ValueType): ValueType => ({ kind: "list", item });
export const mapOf = (value: ValueType): ValueType => ({ kind: "map", value });

/** Types of a schema's fields. A JSON record has no timestamps: `timestamp_ms` reads as int, `timestamp` as string. */
const fieldTypes = {
  string: STRING,
  int: INT,
  double: CLAIMED_DOUBLE,
  bool: BOOL,
  timestamp_ms: INT,
  timestamp: STRING,
  json: DYN,
  dyn: DYN,
} as const;
export type FieldType = keyof typeof fieldTypes;

/** A variable is one value, or an object with flat paths: `{type: "string", "payload.lag": "int"}`. */
export type VariableType = FieldType | { readonly [path: string]: FieldType };

export function typeOfVariable(declared: VariableType): ValueType {
  if (typeof declared === "string") return fieldTypes[declared];
  const root = new Map<string, ValueType>();
  for (const [path, type] of Object.entries(declared)) place(root, path.split("."), fieldTypes[type]);
  return { kind: "object", fields: root };
}

function place(fields: Map<string, ValueType>, path: readonly string[], type: ValueType): void {
  const [name = "", ...rest] = path;
  const before = fields.get(name);
  if (rest.length === 0) {
    if (before?.kind !== "object") fields.set(name, type);
    return;
  }
  const inner = before?.kind === "object" ? new Map(before.fields) : new Map<string, ValueType>();
  place(inner, rest, type);
  fields.set(name, { kind: "object", fields: inner });
}

export const isNumeric = (t: ValueType): boolean => t.kind === "int" || t.kind === "double";
export const isMapLike = (t: ValueType): boolean => t.kind === "map" || t.kind === "object";

/** Whether a value of type `a` may be one of type `b`: dyn may be anything, numbers convert. */
export function compatible(a: ValueType, b: ValueType): boolean {
  if (a.kind === "dyn" || b.kind === "dyn") return true;
  if (isNumeric(a) && isNumeric(b)) return true;
  if (a.kind === "list" && b.kind === "list") return compatible(a.item, b.item);
  if (isMapLike(a) && isMapLike(b)) return true;
  return a.kind === b.kind;
}

/** The type of a value that is one of both. */
export function join(a: ValueType, b: ValueType): ValueType {
  if (a.kind === "list" && b.kind === "list") return listOf(join(a.item, b.item));
  if (a.kind === "map" && b.kind === "map") return mapOf(join(a.value, b.value));
  if (isNumeric(a) && isNumeric(b)) return joinNumbers(a, b);
  return a.kind === b.kind && a.kind !== "object" ? a : DYN;
}

function joinNumbers(a: ValueType, b: ValueType): ValueType {
  if (a.kind === "int" && b.kind === "int") return INT;
  return isClaimed(a) || isClaimed(b) ? CLAIMED_DOUBLE : DOUBLE;
}

export const isClaimed = (t: ValueType): boolean => t.kind === "double" && t.claimed === true;
/** A double whatever its value is: a literal, a conversion, or what was calculated from one. */
export const isSureDouble = (t: ValueType): boolean => t.kind === "double" && t.claimed !== true;

export function nameOfType(t: ValueType): string {
  if (t.kind === "list") return t.item.kind === "dyn" ? "list" : `list(${nameOfType(t.item)})`;
  return t.kind === "object" ? "map" : t.kind;
}
