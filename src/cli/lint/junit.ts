import type { JunitCase } from "../junit.ts";
import { junitXml } from "../junit.ts";
import type { Finding } from "./finding.ts";
import type { TextFile } from "./read-files.ts";

/** A suite for each file: a case for each finding that counts, or one that passed. */
export function lintJunit(files: readonly TextFile[], findings: readonly Finding[]): string {
  const found = Map.groupBy(findings, ({ file }) => file);
  const suites = files.map(({ name }): [string, JunitCase[]] => [name, casesOf(name, found.get(name) ?? [])]);
  return junitXml(new Map(suites));
}

function casesOf(file: string, findings: readonly Finding[]): JunitCase[] {
  if (findings.length === 0) return [{ file, line: 1, name: "nothing found", seconds: 0, findings }];
  return findings.map((finding) => ({
    file,
    line: finding.line,
    name: `${finding.line}:${finding.column} ${finding.code}`,
    seconds: 0,
    findings: [finding],
  }));
}
