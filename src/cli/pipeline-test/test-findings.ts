import { pathBelow } from "../../yaml/find-place.ts";
import type { Finding } from "../lint/finding.ts";
import type { SoundJob } from "../lint/lint-objects.ts";
import { finding } from "../lint/lint-objects.ts";
import type { PipelineTest } from "./run-case.ts";
import { runCase } from "./run-case.ts";

/** A case that was run. */
export interface TestResult {
  readonly file: string;
  readonly line: number;
  readonly job: string;
  readonly name: string;
  readonly milliseconds: number;
  readonly findings: readonly Finding[];
  readonly shown: readonly string[];
}

/** Runs every test of a job's pipeline. */
export function testJob(job: SoundJob): TestResult[] {
  return (job.pipeline.tests ?? []).map((test, i) => testCase(job, test, i));
}

/** What of a job's tests does not hold. */
export const testFindings = (job: SoundJob): Finding[] => testJob(job).flatMap((result) => result.findings);

function testCase(job: SoundJob, test: PipelineTest, i: number): TestResult {
  const start = performance.now();
  const { failures, shown } = runCase(job.pipeline, job.plan, test);
  const milliseconds = performance.now() - start;
  const at = (keys: readonly (string | number)[], message: string): Finding =>
    finding(job.object, {
      code: "PIPELINE_TEST_FAILED",
      path: pathBelow(`spec.pipeline.tests[${test.name}]`, keys),
      keys: ["spec", "pipeline", "tests", i, ...keys],
      message,
    });
  return {
    file: job.object.file.name,
    line: at(["name"], "").line,
    job: job.name,
    name: test.name,
    milliseconds,
    findings: failures.map(({ keys, message }) => at(keys, message)),
    shown,
  };
}
