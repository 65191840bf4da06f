import type { z } from "zod";

/**
 * A rule over one value, said twice: as CEL for the API server and as a predicate for everything that validates without
 * one. The corpus test sends the same objects to both and compares the verdicts.
 */
export interface Rule<T> {
  readonly cel: string;
  /** What the user reads: what is wrong and what to write instead. */
  readonly message: string;
  /** Names of which some are chosen: a refusal here says which were. */
  readonly choices?: readonly string[];
  /** Called with values that already have the right structure. */
  readonly holds: (value: T) => boolean;
}

/** JSON Schema keywords that the CRD generator copies as they are. */
export interface CrdKeywords {
  maxProperties?: number;
  "x-kubernetes-validations"?: readonly { rule: string; message: string }[];
  "x-kubernetes-int-or-string"?: true;
  "x-kubernetes-preserve-unknown-fields"?: true;
  "x-kubernetes-list-type"?: "map" | "set" | "atomic";
  "x-kubernetes-list-map-keys"?: readonly string[];
  "x-kubernetes-map-type"?: "atomic" | "granular";
}

/** Adds keywords for the CRD without losing those a schema already has. */
export function keywords<S extends z.ZodType>(schema: S, added: CrdKeywords): S {
  return schema.meta({ ...schema.meta(), ...added }) as S;
}

export function rules<S extends z.ZodType>(schema: S, list: readonly Rule<z.output<S>>[]): S {
  const before = (schema.meta() as CrdKeywords | undefined)?.["x-kubernetes-validations"] ?? [];
  const checked = list.reduce((s, { holds, message, choices }) => {
    const told = choices === undefined ? { message } : { message, params: { choices } };
    return s.refine((v) => holds(v), told) as S;
  }, schema);
  const added = list.map(({ cel, message }) => ({ rule: cel, message }));
  return checked.meta({ ...schema.meta(), "x-kubernetes-validations": [...before, ...added] }) as S;
}

type Fields = Readonly<Record<string, unknown>>;

/** A union in structural form: an object of which exactly one of `keys` is set. */
export function exactlyOne(keys: readonly string[], what: string): Rule<object> {
  return {
    cel: `[${keys.map((k) => `has(self.${k})`).join(",")}].filter(x, x).size() == 1`,
    message: `${what}: set exactly one of ${keys.join(", ")}`,
    choices: keys,
    holds: (value) => keys.filter((k) => (value as Fields)[k] !== undefined).length === 1,
  };
}

export function atMostOne(keys: readonly string[], what: string): Rule<object> {
  return {
    cel: `[${keys.map((k) => `has(self.${k})`).join(",")}].filter(x, x).size() <= 1`,
    message: `${what}: set at most one of ${keys.join(", ")}`,
    choices: keys,
    holds: (value) => keys.filter((k) => (value as Fields)[k] !== undefined).length <= 1,
  };
}

/** `field` makes sense only together with `other`. */
export function needs(field: string, other: string, message: string): Rule<object> {
  return {
    cel: `!has(self.${field}) || has(self.${other})`,
    message,
    holds: (value) => (value as Fields)[field] === undefined || (value as Fields)[other] !== undefined,
  };
}

/** A field that exists only so that writing it gets a readable refusal instead of being dropped. */
export function never(field: string, message: string): Rule<object> {
  return { cel: `!has(self.${field})`, message, holds: (value) => (value as Fields)[field] === undefined };
}

/** Of a list; `violations` says which name. */
export const NOT_UNIQUE = "names must be unique";

/** A list whose items have unique names: server-side apply merges it by name, and the API server refuses duplicates. */
export function byName<T extends { readonly name: string }, S extends z.ZodType<T[]>>(schema: S): S {
  const unique = schema.refine((items) => new Set(items.map((i) => i.name)).size === items.length, {
    message: NOT_UNIQUE,
  }) as S;
  return keywords(unique, { "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"] });
}
