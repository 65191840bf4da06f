import { z } from "zod";
import { objectName } from "./text.ts";

/** References never carry a namespace: everything a job uses is in its own. */
export const keyName = z
  .string()
  .max(253)
  .regex(/^[-._a-zA-Z0-9]+$/, "must be a key of a Secret or ConfigMap");
export const objectRef = z.strictObject({ name: objectName });
/** A whole Secret, or with `key` one entry of it. */
export const secretRef = z.strictObject({ name: objectName, key: keyName.optional() });
export const secretKeyRef = z.strictObject({ name: objectName, key: keyName });
export const configMapKeyRef = z.strictObject({ name: objectName, key: keyName });
