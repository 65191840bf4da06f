import type { Terminal } from "../command.ts";
import { findingText, inOrder } from "../lint/finding.ts";
import type { Finding } from "../lint/finding.ts";
import type { Admit } from "../lint/lint-objects.ts";
import { lintObjects } from "../lint/lint-objects.ts";
import type { TextFile } from "../lint/read-files.ts";
import type { TestResult } from "./test-findings.ts";
import { testJob } from "./test-findings.ts";

export interface TestReport {
  readonly results: readonly TestResult[];
  /** What keeps jobs from being tested. */
  readonly refused: readonly Finding[];
}

export async function testFiles(files: readonly TextFile[], admit: Admit): Promise<TestReport> {
  const { findings, jobs } = lintObjects(files, admit);
  const results: TestResult[] = [];
  for (const job of jobs) results.push(...(await testJob(job)));
  return { results, refused: inOrder(findings.filter((f) => f.severity === "error")) };
}

export function tellTests({ results, refused }: TestReport, io: Terminal): void {
  let heading = "";
  for (const { file, job, name, milliseconds, findings, shown } of results) {
    const own = `${file}: ${job}`;
    if (own !== heading) io.out((heading = own));
    io.out(`  ${findings.length === 0 ? "✓" : "✗"} ${name} (${milliseconds.toFixed(1)} ms)`);
    for (const line of shown) io.out(`      ${line}`);
  }
  for (const finding of [...refused, ...inOrder(results.flatMap((r) => r.findings))]) io.out(findingText(finding));
  const failed = results.filter((r) => r.findings.length > 0).length;
  const notRun = refused.length === 0 ? "" : "; what was refused was not run";
  io.out(`${results.length - failed} passed, ${failed} failed${notRun}`);
}
