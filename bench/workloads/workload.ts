import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Input } from "../inputs/input.ts";
import { readYaml } from "../../src/yaml/read-yaml.ts";
import type { YamlDocument } from "../../src/yaml/read-yaml.ts";

/** One row of the table: a job as each side is given it, and the output that both must have, computed a third time. */
export interface Workload {
  readonly name: string;
  readonly what: string;
  /** Records per CPU second as a multiple of Flink's, and of J's where one is set. */
  readonly goal: { readonly flink: number; readonly j?: number };
  readonly input: Input;
  /** `spec` of the StreamingJob. Its source and its sink are put on the topics of a run. */
  readonly spec: JobSpec;
  /** Flink's statements; ${source} and ${sink} stand for the options of the tables. */
  readonly sql: string;
  /** The whole output of the first `count` records of the input, in any order. */
  expected(count: number): Iterable<string>;
  /** An output record in the form of `expected`; undefined for one that only a sentinel caused. */
  row(record: OutputRecord): string | undefined;
}

/** What either side wrote, as JSON.parse gives it. */
export type OutputRecord = Readonly<Record<string, unknown>>;

export interface JobSpec {
  readonly pipeline: { readonly nodes: readonly Readonly<Record<string, unknown>>[] };
  readonly checkpoint?: Readonly<Record<string, unknown>>;
  readonly state?: Readonly<Record<string, unknown>>;
}

/** The two files of a job: NAME.yaml is ours, NAME.sql is Flink's. */
export function jobFiles(folder: string, name: string): Pick<Workload, "spec" | "sql"> {
  const file = (extension: string): string => readFileSync(join(folder, `${name}.${extension}`), "utf8");
  const [document] = readYaml(file("yaml")) as [YamlDocument];
  return { spec: (document.value as { spec: JobSpec }).spec, sql: file("sql") };
}

/** Milliseconds since the epoch: Weir writes numbers, Flink ISO 8601. */
export function millis(time: unknown): number {
  return typeof time === "number" ? time : Date.parse(String(time).replace(" ", "T").replace(/Z?$/, "Z"));
}
