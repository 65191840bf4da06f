import { z } from "zod";
import { keywords } from "./rule.ts";

/** Bounded strings. Every string in a CRD has a bound, or the API server must assume megabytes when it prices a CEL rule. */
export const text = (max: number) => z.string().max(max);
export const filled = (max: number) => z.string().min(1).max(max);

/** Name of a node, connection, function or rule: also the id of state, so it is short and stable. */
export const localName = z
  .string()
  .max(63)
  .regex(/^[a-z]([-a-z0-9]*[a-z0-9])?$/, "must be lower-case letters, digits and dashes, starting with a letter");

/** Name of a Kubernetes object (RFC 1123 subdomain). */
export const objectName = z
  .string()
  .max(253)
  .regex(/^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$/, "must be the name of a Kubernetes object");

/** A CEL expression. */
export const expression = filled(2048);

/** A field of a record: `event.payload.lag`. */
export const fieldPath = z
  .string()
  .max(253)
  .regex(
    /^event(\.[A-Za-z_][A-Za-z0-9_]*)+$/,
    "must be a field of the record such as event.tenant; with an odd name, rename it by a map first",
  );

/** IANA name; whether the zone exists is checked by the operator. */
export const timeZone = z
  .string()
  .max(64)
  .regex(/^[A-Za-z][A-Za-z0-9_+/-]*$/, "must be an IANA time zone such as Europe/Berlin");

/** RFC 3339. */
export const instant = z
  .string()
  .max(40)
  .regex(
    /^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?(Z|[+-][0-9]{2}:[0-9]{2})$/,
    "must be an RFC 3339 time such as 2026-05-01T22:00:00Z",
  );

export const int = (min: number, max: number) => z.int().min(min).max(max);

/** `list(x, 100)` is a list of at most 100. */
export const list = <S extends z.ZodType>(item: S, max: number, min = 0) => z.array(item).min(min).max(max);

/** A map with bounded size. */
export function mapOf<S extends z.ZodType>(value: S, max: number) {
  const schema = z
    .record(z.string(), value)
    .refine((v) => Object.keys(v).length <= max, { message: `must have at most ${max} entries` });
  return keywords(schema, { maxProperties: max });
}
export const textMap = (max: number, length: number) => mapOf(text(length), max);

/** Kept as the user wrote it and validated by the operator: pod fields whose schema would not fit in a CRD. */
export const preserved = keywords(z.record(z.string(), z.unknown()), { "x-kubernetes-preserve-unknown-fields": true });
