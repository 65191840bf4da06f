import type { Terminal } from "../command.ts";
import { testFindings } from "../pipeline-test/test-findings.ts";
import { findingText, inOrder } from "./finding.ts";
import type { Finding } from "./finding.ts";
import type { Admit } from "./lint-objects.ts";
import { lintObjects } from "./lint-objects.ts";
import { policyConflicts } from "./policy-conflicts.ts";
import type { TextFile } from "./read-files.ts";

export interface LintReport {
  readonly findings: readonly Finding[];
  readonly files: number;
  readonly objects: number;
  readonly others: number;
}

/** Everything that admission would refuse, what may not be meant, and the tests that do not hold. */
export async function lint(files: readonly TextFile[], admit: Admit): Promise<LintReport> {
  const { findings, jobs, sound, checked, others } = lintObjects(files, admit);
  const failed = (await Promise.all(jobs.map(testFindings))).flat();
  const all = [...findings, ...policyConflicts(sound), ...failed];
  return { findings: inOrder(all), files: files.length, objects: checked, others };
}

export function tell({ findings, files, objects, others }: LintReport, io: Terminal): void {
  for (const finding of findings) io.out(findingText(finding));
  const count = (severity: Finding["severity"]): number => findings.filter((f) => f.severity === severity).length;
  const besides = others === 0 ? "" : `, ${counted(others, "object")} of other kinds not checked`;
  const found = `${counted(count("error"), "error")}, ${counted(count("warning"), "warning")}`;
  io.out(`${found} in ${counted(objects, "object")} of ${counted(files, "file")}${besides}`);
}

export const counted = (n: number, what: string): string => `${n} ${what}${n === 1 ? "" : "s"}`;
