import type { JunitCase } from "../junit.ts";
import { junitXml } from "../junit.ts";
import type { TestReport } from "./test-report.ts";

/** A suite for each job, and one case for what is wrong with each file that could not be run. */
export function junit({ results, refused }: TestReport): string {
  const suites = new Map<string, JunitCase[]>();
  const add = (suite: string, test: JunitCase): void => void suites.set(suite, [...(suites.get(suite) ?? []), test]);
  for (const { file, line, job, name, milliseconds, findings } of results)
    add(`${file}: ${job}`, { file, line, name, seconds: milliseconds / 1000, findings });
  for (const finding of refused)
    add(`${finding.file}: ${finding.object ?? "file"}`, {
      ...finding,
      name: "is admitted",
      seconds: 0,
      findings: [finding],
    });
  return junitXml(suites);
}
