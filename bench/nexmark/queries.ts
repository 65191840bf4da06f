import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Pipeline } from "../../src/api/pipeline.schema.ts";
import { planJob } from "../../src/controllers/streamingjob/planned-job.ts";
import type { Batch, Row } from "../../src/engine/batch.ts";
import type { LookupPort } from "../../src/engine/lookups/lookup-port.ts";
import type { Plan } from "../../src/engine/plan.ts";
import { readYaml } from "../../src/yaml/read-yaml.ts";
import type { YamlDocument } from "../../src/yaml/read-yaml.ts";
import type { NexmarkShape } from "./generator.ts";
import { nexmarkEvent } from "./generator.ts";

/** The queries that the engine runs today: the files of this folder, in the order of their numbers. */
export const queries = readdirSync(import.meta.dirname)
  .filter((file) => file.endsWith(".yaml"))
  .map((file) => file.replace(/\.yaml$/, ""))
  .toSorted((a, b) => Number(a.slice(1)) - Number(b.slice(1)));

/** As the operator would plan it. */
export function planOf(query: string): Plan {
  const [document] = readYaml(readFileSync(join(import.meta.dirname, `${query}.yaml`), "utf8")) as [YamlDocument];
  const { spec } = document.value as { spec: { pipeline: Pipeline } };
  const { plan, refusal } = planJob(spec);
  if (plan === undefined) throw new Error(`${query} is refused: ${refusal?.message ?? ""}`);
  return plan;
}

/** Of q13: the side input has for each number its text, at once. */
export const lookups: ReadonlyMap<string, LookupPort> = new Map([
  [
    "enriched",
    { ask: (key) => ({ state: "found", rows: [Buffer.from(JSON.stringify({ value: key }))], problem: "" }) },
  ],
]);

/** Events that a source hands over at once. */
export const BATCH = 1000;

/** Events as a broker would hand them over: JSON. */
export function nexmarkBatches(events: number, shape: NexmarkShape, from = 0): Batch[] {
  return nexmarkRows(events, shape, from).map((batch) => {
    const lines = (batch.rows ?? []).map((row) => Buffer.from(JSON.stringify(row)));
    const len = Int32Array.from(lines, (line) => line.length);
    const off = new Int32Array(lines.length);
    for (let i = 1; i < lines.length; i++) off[i] = (off[i - 1] as number) + (len[i - 1] as number);
    const { rows: _, ...bytes } = { ...batch, buf: Buffer.concat(lines), off, len };
    return bytes;
  });
}

/** The same events as objects, from number `from` on. */
export function nexmarkRows(events: number, shape: NexmarkShape, from = 0): Batch[] {
  const nothing = { buf: Buffer.alloc(0), off: new Int32Array(0), len: new Int32Array(0), key: undefined };
  return Array.from({ length: Math.ceil(events / BATCH) }, (_, b) => {
    const first = from + b * BATCH;
    const n = Math.min(BATCH, events - b * BATCH);
    const rows = Array.from({ length: n }, (__, i): Row => ({ ...nexmarkEvent(first + i, shape) }));
    const describe = (i: number): string => `event ${first + i}`;
    return { ...nothing, split: 0, n, ts: new Float64Array(n), rows, describe };
  });
}
