import type { PipelineNode } from "../../api/pipeline.schema.ts";
import { WeirError } from "../../errors.ts";
import { nodePath } from "./expressions.ts";

type Schema = NonNullable<PipelineNode["schema"]>;

const METADATA: Schema = {
  key: "json",
  headers: "json",
  timestamp: "timestamp_ms",
  topic: "string",
  partition: "int",
  offset: "int",
  tombstone: "bool",
};

/** What a source's records are, with what Kafka's `metadata` adds to them. */
export function sourceSchema({ source, schema }: PipelineNode): PipelineNode["schema"] {
  const field = source?.kafka?.metadata;
  if (field === undefined || schema === undefined) return schema;
  return { ...schema, ...Object.fromEntries(Object.entries(METADATA).map(([k, type]) => [`${field}.${k}`, type])) };
}

/** What no record can be: a field that is a number and has fields, or event time that is true or false. */
export function refuseImpossible({ name, schema = {}, eventTime }: PipelineNode): void {
  const paths = Object.keys(schema);
  for (const path of paths) {
    const inner = schema[path] === "json" ? undefined : paths.find((other) => other.startsWith(`${path}.`));
    if (inner !== undefined)
      throw schemaError(name, `schema.${path}`, `is ${schema[path]} and has a field "${inner}"; take one of them out`);
  }
  const time = eventTime?.field?.replace(/^event\./, "") ?? "";
  if (schema[time] === "bool")
    throw schemaError(name, "eventTime.field", `event.${time} is bool by the schema, and cannot be a time`);
}

function schemaError(name: string, field: string, problem: string): WeirError {
  const place = { path: `${nodePath(name)}.${field}`, message: problem };
  return new WeirError("PIPELINE_INVALID", `node "${name}": ${field} ${problem}`, { place });
}

/** A field of the record that metadata hides could never be read. */
export function refuseHidden({ name, source, schema = {} }: PipelineNode): void {
  const field = source?.kafka?.metadata;
  const hidden = Object.keys(schema).find((path) => path === field || path.startsWith(`${field}.`));
  if (hidden === undefined) return;
  const problem = `metadata puts the record's key and headers where its schema has "${hidden}"; give metadata another name`;
  const place = { path: `${nodePath(name)}.source.kafka.metadata`, message: problem };
  throw new WeirError("PIPELINE_INVALID", `node "${name}": ${problem}`, { place });
}
