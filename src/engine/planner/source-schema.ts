import type { PipelineNode } from "../../api/pipeline.schema.ts";
import { WeirError } from "../../errors.ts";
import { nodePath } from "./expressions.ts";
import { isWithin, plainPath } from "./field-path.ts";
import type { GraphNode, StreamGraph } from "./stream-graph.ts";

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

export type Schemas = ReadonlyMap<string, PipelineNode["schema"]>;

/** A source's schema holds behind it until a map or a window makes other events. */
export function schemasOf(graph: StreamGraph): Schemas {
  const schemas = new Map<string, PipelineNode["schema"]>();
  for (const node of graph.nodes) {
    const { source } = node.spec;
    const schema = source === undefined ? outputSchema(node.spec, inputSchema(node, schemas)) : sourceSchema(node.spec);
    schemas.set(node.name, schema);
  }
  return schemas;
}

function outputSchema(spec: PipelineNode, input: PipelineNode["schema"]): PipelineNode["schema"] {
  const makesOther = [spec.map, spec.flatMap, spec.aggregate, spec.topN, spec.join, spec.broadcast, spec.process].some(
    (operation) => operation !== undefined,
  );
  if (makesOther || input === undefined) return undefined;
  const { select, drop } = spec;
  if (select === undefined && drop === undefined) return input;
  const named = (select ?? drop ?? []).map((field) => plainPath(field) ?? []);
  const kept = Object.entries(input).filter(([field]) => {
    const path = field.split(".");
    return named.some((n) => isWithin(path, n)) === (select !== undefined);
  });
  return Object.fromEntries(kept);
}

/** What holds for the records of all its inputs; undefined where they differ. */
export function inputSchema(node: GraphNode, schemas: Schemas): PipelineNode["schema"] {
  const [first, ...rest] = node.inputs.map((i) => schemas.get(i.node));
  return rest.every((s) => s === first) ? first : undefined;
}
