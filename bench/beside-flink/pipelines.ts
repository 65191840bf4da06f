import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Pipeline } from "../../src/api/pipeline.schema.ts";
import { localModules } from "../../src/cli/pipeline-test/local-modules.ts";
import { runCase, type PipelineTest } from "../../src/cli/pipeline-test/run-case.ts";
import { planJob } from "../../src/controllers/streamingjob/planned-job.ts";
import { messageOf } from "../../src/errors.ts";
import type { Plan } from "../../src/engine/plan.ts";
import { lastOfEach } from "../../test/builders/nexmark-results.ts";
import { jobFiles, type OutputRecord } from "../workloads/workload.ts";
import { cases, type Case } from "./cases.ts";
import { differences } from "./differences.ts";
import { flinkRows } from "./flink-rows.ts";
import { differingRows, fieldsOf, rowText } from "./row-text.ts";
import { refused, type Told } from "./told.ts";

const folder = join(import.meta.dirname, "cases");

export interface Pair {
  readonly plan: Plan;
  readonly tests: readonly PipelineTest[];
  readonly sql: string;
}

/** The two forms of a case. */
export function pairOf(name: string): Pair {
  const { spec, sql } = jobFiles(folder, name);
  const { plan, refusal } = planJob(spec);
  if (plan === undefined) throw new Error(`${name}.yaml is refused: ${refusal?.message ?? ""}`);
  return { plan, tests: (spec.pipeline as unknown as Pipeline).tests ?? [], sql };
}

/** What each node gives for the records of a test, and what Flink's view of the same name gives. */
export async function* comparePipelines(
  gateway: string,
  { folder: inputs, only }: { readonly folder: string; readonly only: readonly string[] },
): AsyncGenerator<Told> {
  for (const given of cases.filter(({ name }) => only.length === 0 || only.includes(name))) {
    const { plan, tests, sql } = pairOf(given.name);
    for (const test of tests) {
      const input = join(inputs, "records.ndjson");
      writeFileSync(input, (test.input["events"] ?? []).map((record) => `${JSON.stringify(record)}\n`).join(""));
      const { came } = await runCase({ plan }, test, localModules(folder));
      for (const [node, ours] of Object.entries(came)) {
        const query = { tables: sql, select: `SELECT * FROM \`${node}\``, input };
        const flinks = await flinkRows(gateway, query).catch(messageOf);
        yield compared(given, `${test.name}.${node}`, { ours: ours as OutputRecord[], flinks });
      }
    }
  }
}

function compared(
  { name, keys }: Case,
  place: string,
  rows: { readonly ours: readonly OutputRecord[]; readonly flinks: readonly OutputRecord[] | string },
): Told {
  const { flinks } = rows;
  if (typeof flinks === "string") return refused(`${name}: ${place}`, flinks);
  const key = keys?.[place.split(".")[1] as string];
  const flat = rows.ours.map((row) => ({ ...(row["record"] as OutputRecord | undefined), ...row }));
  const left = key === undefined ? flat : lastOfEach(flat, (row) => key.map((field) => (row as OutputRecord)[field]));
  const names = Object.keys(flinks[0] ?? rows.ours[0] ?? {});
  const known = differences[`${name}: ${place}`];
  const found = differingRows(
    left.map((row) => fieldsOf(row, names)),
    flinks,
  );
  const told = { name: `${name}: ${place}`, rows: flinks.length, note: known?.why ?? "" };
  if (known === undefined) return { ...told, ...found };
  return {
    ...told,
    ours: unlike(found.ours, known.ours),
    flinks: unlike(found.flinks, known.flinks),
  };
}

/** What is not as documented: too many, or too few. */
function unlike(found: readonly string[], known: readonly OutputRecord[]): string[] {
  const texts = known.map(rowText);
  return [...found.filter((row) => !texts.includes(row)), ...texts.filter((row) => !found.includes(row))];
}
