import { pathBelow } from "../../yaml/find-place.ts";
import type { Finding } from "../lint/finding.ts";
import type { SoundJob } from "../lint/lint-objects.ts";
import { finding } from "../lint/lint-objects.ts";
import { localModules } from "./local-modules.ts";
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
export async function testJob(job: SoundJob): Promise<TestResult[]> {
  const results: TestResult[] = [];
  for (const [i, test] of (job.pipeline.tests ?? []).entries()) results.push(await testCase(job, test, i));
  return results;
}

/** What of a job's tests does not hold. Those of user code are left to who runs it on purpose. */
export async function testFindings(job: SoundJob): Promise<Finding[]> {
  if (job.plan.nodes.some((node) => "function" in node)) return [];
  return (await testJob(job)).flatMap((result) => result.findings);
}

async function testCase(job: SoundJob, test: PipelineTest, i: number): Promise<TestResult> {
  const start = performance.now();
  const { failures, shown } = await runCase(job, test, localModules(job.object.file.name));
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
