import type { Finding } from "../lint/finding.ts";
import { findingText } from "../lint/finding.ts";
import type { TestReport } from "./test-report.ts";

/**
 * The report as CI systems read it (the XML of JUnit's Ant task, as Jenkins and GitLab take it): a suite for each job, and
 * one case for what is wrong with each file that could not be run.
 */
export function junit({ results, refused }: TestReport): string {
  const suites = new Map<string, Case[]>();
  const add = (suite: string, test: Case): void => void suites.set(suite, [...(suites.get(suite) ?? []), test]);
  for (const { file, line, job, name, milliseconds, findings } of results)
    add(`${file}: ${job}`, { file, line, name, seconds: milliseconds / 1000, findings });
  for (const finding of refused)
    add(`${finding.file}: ${finding.object ?? "file"}`, {
      ...finding,
      name: "is admitted",
      seconds: 0,
      findings: [finding],
    });
  const all = [...suites.values()].flat();
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<testsuites ${totals(all)}>`,
    ...[...suites].flatMap(([name, cases]) => suite(name, cases)),
    "</testsuites>",
    "",
  ].join("\n");
}

interface Case {
  readonly file: string;
  readonly line: number;
  readonly name: string;
  readonly seconds: number;
  readonly findings: readonly Finding[];
}

function suite(name: string, cases: readonly Case[]): string[] {
  const lines = cases.flatMap((test) => {
    const open = `    <testcase name=${quoted(test.name)} classname=${quoted(name)} file=${quoted(test.file)} line="${test.line}" time="${test.seconds.toFixed(6)}"`;
    const [first] = test.findings;
    if (first === undefined) return [`${open}/>`];
    const body = test.findings.map(findingText).join("\n");
    return [
      `${open}>`,
      `      <failure message=${quoted(first.message)}>${escaped(body)}</failure>`,
      "    </testcase>",
    ];
  });
  return [`  <testsuite name=${quoted(name)} ${totals(cases)}>`, ...lines, "  </testsuite>"];
}

function totals(cases: readonly Case[]): string {
  const failures = cases.filter((test) => test.findings.length > 0).length;
  const seconds = cases.reduce((sum, test) => sum + test.seconds, 0);
  return `tests="${cases.length}" failures="${failures}" errors="0" skipped="0" time="${seconds.toFixed(6)}"`;
}

const quoted = (text: string): string => `"${escaped(text)}"`;

/** XML 1.0 has no way to write most control characters, nor half of a surrogate pair. */
function escaped(text: string): string {
  return text
    .toWellFormed()
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;")
    .replaceAll(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/g, "\ufffd"); // eslint-disable-line no-control-regex
}
