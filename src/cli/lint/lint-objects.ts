import { GROUP, KINDS } from "../../api/group.ts";
import type { KindName } from "../../api/group.ts";
import type { Problem } from "../../api/problem.ts";
import type { Pipeline } from "../../api/pipeline.schema.ts";
import type { StreamingJobSpec } from "../../api/streaming-job.schema.ts";
import { withoutNulls } from "../../api/violations.ts";
import type { Plan } from "../../engine/plan.ts";
import { suggestion } from "../../api/suggestion.ts";
import type { Finding } from "./finding.ts";
import { jobWarnings } from "./job-warnings.ts";
import { objectsOf, placeOf } from "./located-object.ts";
import type { LocatedObject } from "./located-object.ts";
import type { TextFile } from "./read-files.ts";
import { unquotedNames, unquotedValues } from "./unquoted-names.ts";

/** The operator's verdict on an object; handed in, because only the operator's own code may give it. */
export type Admit = (
  kind: KindName,
  object: unknown,
) => { readonly problems: readonly Problem[]; readonly plan: Plan | undefined };

/** A job that would be run, with its pipeline's tests. */
export interface SoundJob {
  readonly name: string;
  readonly object: LocatedObject;
  readonly pipeline: Pipeline;
  readonly plan: Plan;
}

export interface Linted {
  readonly findings: readonly Finding[];
  readonly jobs: readonly SoundJob[];
  /** Objects of any kind in which there is no error. */
  readonly sound: readonly LocatedObject[];
  /** Objects of Weir's kinds. */
  readonly checked: number;
  /** Objects of other kinds: they are Kubernetes' business. */
  readonly others: number;
}

/** Everything that is wrong with the objects of some files, and what their author may not have meant. */
export function lintObjects(files: readonly TextFile[], admit: Admit): Linted {
  const findings: Finding[] = [];
  const jobs: SoundJob[] = [];
  const sound: LocatedObject[] = [];
  let checked = 0;
  let others = 0;
  for (const file of files) {
    const read = objectsOf(file);
    findings.push(...read.findings);
    const own = read.objects.filter((object) => String(object.value["apiVersion"]).startsWith(`${GROUP}/`));
    checked += own.length;
    others += read.objects.length - own.length;
    for (const [i, object] of own.entries()) {
      const found = lintObject(object, admit, jobs);
      if (!found.some(({ severity }) => severity === "error")) sound.push(object);
      findings.push(...twice(object, own.slice(0, i)), ...found);
    }
  }
  return { findings, jobs, sound, checked, others };
}

function lintObject(object: LocatedObject, admit: Admit, jobs: SoundJob[]): Finding[] {
  const kind = object.value["kind"] as string;
  if (!isKind(kind)) {
    const message = `there is no kind "${kind}"${suggestion(kind, Object.keys(KINDS))}`;
    return [finding(object, { code: "SPEC_INVALID", path: "kind", message })];
  }
  const { problems, plan } = admit(kind, object.value);
  const errors = [...problems, ...unquotedNames(object), ...unquotedValues(object)].map((problem) =>
    finding(object, problem),
  );
  if (errors.length > 0 || plan === undefined) return errors;
  const spec = specOf(object);
  jobs.push({ name: nameOf(object), object, pipeline: spec.pipeline, plan });
  return jobWarnings(spec, plan).map(({ code, ...place }) => ({
    ...finding(object, { ...place, code: "SPEC_INVALID" }),
    severity: "warning",
    code,
  }));
}

type JobSpec = StreamingJobSpec & { pipeline: Pipeline };

/** As it was admitted: without nulls. Records of tests keep theirs, because null is a value to a pipeline. */
function specOf({ value }: LocatedObject): JobSpec {
  const { pipeline, ...rest } = withoutNulls(value["spec"]) as JobSpec;
  const written = (value["spec"] as { pipeline: { tests?: PipelineTests | null } }).pipeline.tests ?? [];
  const tests = written.map(({ name, input, expect }) => ({ name, input: given(input), expect: given(expect) }));
  return { ...rest, pipeline: { ...pipeline, tests } };
}

type PipelineTests = NonNullable<Pipeline["tests"]>;
const given = <T>(lists: Readonly<Record<string, T | null>>): Record<string, T> =>
  Object.fromEntries(Object.entries(lists).filter((entry): entry is [string, T] => entry[1] !== null));

/** Applying the file would leave the last. In two files they may be two variants. */
function twice(object: LocatedObject, before: readonly LocatedObject[]): Finding[] {
  const first = before.find((other) => keyOf(other) === keyOf(object));
  if (first === undefined) return [];
  const { line } = placeOf(first, { path: "metadata.name" });
  const message = `the same object is in line ${line}; only the last would be left`;
  return [finding(object, { code: "SPEC_INVALID", path: "metadata.name", message })];
}

function keyOf(object: LocatedObject): string {
  const { namespace = "" } = (object.value["metadata"] ?? {}) as { namespace?: string };
  return `${String(object.value["kind"])}/${namespace}/${nameOf(object)}`;
}

export function finding(object: LocatedObject, problem: Problem): Finding {
  return {
    ...placeOf(object, problem),
    file: object.file.name,
    severity: "error",
    code: problem.code,
    object: `${String(object.value["kind"])}/${nameOf(object)}`,
    message: problem.expression?.message ?? problem.message,
  };
}

function nameOf({ value }: LocatedObject): string {
  const { name } = (value["metadata"] ?? {}) as { name?: unknown };
  return typeof name === "string" ? name : "?";
}

const isKind = (kind: string): kind is KindName => Object.hasOwn(KINDS, kind);
