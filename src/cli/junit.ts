import type { Finding } from "./lint/finding.ts";
import { findingText } from "./lint/finding.ts";

/** One case of a report for CI systems; it failed if there are findings. */
export interface JunitCase {
  readonly file: string;
  readonly line: number;
  readonly name: string;
  readonly seconds: number;
  readonly findings: readonly Finding[];
}

/** The XML of JUnit's Ant task, as Jenkins and GitLab take it: suites by name, with their cases. */
export function junitXml(suites: ReadonlyMap<string, readonly JunitCase[]>): string {
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<testsuites ${totals([...suites.values()].flat())}>`,
    ...[...suites].flatMap(([name, cases]) => suite(name, cases)),
    "</testsuites>",
    "",
  ].join("\n");
}

function suite(name: string, cases: readonly JunitCase[]): string[] {
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

function totals(cases: readonly JunitCase[]): string {
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
