import { jsonCopy } from "./json-value.ts";

/** A value in state: what cannot be changed is kept as it is, anything else as JSON text. So a snapshot shares it. */
export type Stored = string | number | boolean | null | EncodedValue;

export class EncodedValue {
  readonly json: string;

  constructor(json: string) {
    this.json = json;
  }
}

export function stored(value: unknown, what: string): Stored {
  const own = jsonCopy(value, what);
  return typeof own === "object" && own !== null ? new EncodedValue(JSON.stringify(own)) : (own as Stored);
}

export const loaded = (held: Stored): unknown =>
  held instanceof EncodedValue ? (JSON.parse(held.json) as unknown) : held;

export const jsonOf = (held: Stored): string => (held instanceof EncodedValue ? held.json : JSON.stringify(held));

/** A state by its kind; a value is replaced as a whole, lists and maps change in place. */
export type Field = ValueField | ListField | MapField;
export interface ValueField {
  readonly kind: "value";
  readonly held: Stored;
}
export interface ListField {
  readonly kind: "list";
  readonly held: Stored[];
}
export interface MapField {
  readonly kind: "map";
  readonly held: Map<string, Stored>;
}

export function fieldCopy(field: Field): Field {
  switch (field.kind) {
    case "value":
      return field;
    case "list":
      return { kind: "list", held: [...field.held] };
    case "map":
      return { kind: "map", held: new Map(field.held) };
  }
}
