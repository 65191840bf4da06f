import { z } from "zod";

/** A piece of a Kubernetes object: the API server checks it, the chart hands it on. */
export const looseObject = (value: Readonly<Record<string, unknown>>) => z.looseObject({}).default({ ...value });

export const stringMap = () => z.record(z.string(), z.string()).default({});

/** A list of pieces of Kubernetes objects, or of text. */
export const listOf = (item: "object" | "string") =>
  z.array<z.ZodType>(item === "string" ? z.string() : z.looseObject({})).default([]);
