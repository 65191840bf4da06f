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

/** A field of the record that metadata hides could never be read. */
export function refuseHidden({ name, source, schema = {} }: PipelineNode): void {
  const field = source?.kafka?.metadata;
  const hidden = Object.keys(schema).find((path) => path === field || path.startsWith(`${field}.`));
  if (hidden === undefined) return;
  const problem = `metadata puts the record's key and headers where its schema has "${hidden}"; give metadata another name`;
  const place = { path: `${nodePath(name)}.source.kafka.metadata`, message: problem };
  throw new WeirError("PIPELINE_INVALID", `node "${name}": ${problem}`, { place });
}
