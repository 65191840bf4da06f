/**
 * Runs the test tiers one after another, quick ones first, and ends with one line over all of them:
 * "N passed, N failed, N skipped". `node scripts/test.ts checks unit` runs only the named tiers.
 */
import { spawn } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";

interface Tally {
  passed: number;
  failed: number;
  skipped: number;
  /** What failed, with the first line of why: the end of a long log is what people read. */
  failures?: readonly string[];
}

interface Tier {
  readonly name: string;
  /** Not one of "everything". */
  readonly onlyWhenNamed?: true;
  run(): Promise<Tally>;
}

const root = join(import.meta.dirname, "..");
const bin = (name: string): string => join(root, "node_modules/.bin", name);

function exec(command: string, args: readonly string[]): Promise<number> {
  return new Promise((resolve) => {
    const child = spawn(command, args, { cwd: root, stdio: ["ignore", "inherit", "inherit"] });
    child.on("error", (e) => {
      console.error(e.message);
      resolve(127);
    });
    child.on("exit", (code) => resolve(code ?? 1));
  });
}

/** A check counts as one test each: what it asserts is its command's exit code. */
const checks: readonly (readonly [string, string, readonly string[]])[] = [
  ["the sources type-check", "tsc", ["-p", "."]],
  ["the sources pass the linter", "oxlint", ["--type-aware"]],
  ["the sources are formatted", "prettier", ["--check", "--log-level", "warn", "."]],
  ["generated files are up to date", "node", ["scripts/gen.ts", "--check"]],
];

async function runChecks(): Promise<Tally> {
  const tally: Tally = { passed: 0, failed: 0, skipped: 0 };
  for (const [sentence, command, args] of checks) {
    const ok = (await exec(bin(command), args)) === 0;
    console.log(`${ok ? "✓" : "✗"} ${sentence}`);
    if (ok) tally.passed++;
    else tally.failed++;
  }
  return tally;
}

async function runVitest(project: string, files: readonly string[] = []): Promise<Tally> {
  const dir = mkdtempSync(join(tmpdir(), "weir-test-"));
  const outputFile = join(dir, "report.json");
  const code = await exec(bin("vitest"), [
    "run",
    ...files,
    "--project",
    project,
    "--reporter=default",
    "--reporter=json",
    `--outputFile.json=${outputFile}`,
  ]);
  const tally = readReport(outputFile, code);
  rmSync(dir, { recursive: true, force: true });
  return tally;
}

interface Report {
  readonly numFailedTests: number;
  readonly numPassedTests: number;
  readonly numPendingTests: number;
  readonly numTodoTests: number;
  readonly testResults: readonly {
    readonly name: string;
    readonly message?: string;
    readonly assertionResults: readonly {
      readonly status: string;
      readonly fullName: string;
      readonly failureMessages?: readonly string[] | null;
    }[];
  }[];
}

/** A runner that died or failed outside a test must not look green: it counts as one failure. */
function readReport(file: string, code: number): Tally {
  try {
    const report = JSON.parse(readFileSync(file, "utf8")) as Report;
    return {
      passed: report.numPassedTests,
      failed: code !== 0 && report.numFailedTests === 0 ? 1 : report.numFailedTests,
      skipped: report.numPendingTests + report.numTodoTests,
      failures: failuresOf(report),
    };
  } catch {
    return { passed: 0, failed: 1, skipped: 0 };
  }
}

const MESSAGE_LINES = 12;

function failuresOf(report: Report): string[] {
  return report.testResults.flatMap((file) => {
    const name = relative(root, file.name);
    const tests = file.assertionResults.filter((test) => test.status === "failed");
    if (tests.length === 0)
      return file.message === undefined || file.message === "" ? [] : [`${name}: ${file.message}`];
    return tests.map(({ fullName, failureMessages }) => {
      const why = (failureMessages ?? []).join("\n").split("\n").slice(0, MESSAGE_LINES).join("\n    ");
      return `${name} > ${fullName}\n    ${why}`;
    });
  });
}

async function buildServers(): Promise<Tally> {
  const ok = (await exec("bash", ["scripts/servers/build.sh"])) === 0;
  console.log(`${ok ? "✓" : "✗"} the real servers are built (kept in the cache folder by version)`);
  return { passed: ok ? 1 : 0, failed: ok ? 0 : 1, skipped: 0 };
}

/** A machine without root or without namespaces runs no node: that is said, and counted as skipped. */
async function runEndToEnd(): Promise<Tally> {
  const own = (process.env["CLUSTER"] ?? "") === "";
  if (own && (await exec("bash", ["scripts/cluster/cluster.sh", "check"])) === NOT_ON_THIS_MACHINE) {
    console.log(
      "- the tests on a real node are skipped, for the reasons above; with Docker: make kind-up && make e2e CLUSTER=kind",
    );
    return { passed: 0, failed: 0, skipped: 1 };
  }
  return runVitest("e2e");
}
const NOT_ON_THIS_MACHINE = 3;

/** Those of the integration tests that have a long form: `WEIR_LONG=1`. */
function longForms(): string[] {
  const folder = "test/integration";
  const files = readdirSync(join(root, folder)).map((name) => `${folder}/${name}`);
  return files.filter((file) => readFileSync(join(root, file), "utf8").includes("WEIR_LONG"));
}

const tiers: readonly Tier[] = [
  { name: "checks", run: runChecks },
  { name: "unit", run: () => runVitest("unit") },
  { name: "property", run: () => runVitest("property") },
  { name: "servers", run: buildServers },
  { name: "integration", run: () => runVitest("integration") },
  { name: "chaos", run: () => runVitest("chaos") },
  { name: "e2e", run: runEndToEnd },
  { name: "long-forms", onlyWhenNamed: true, run: () => runVitest("integration", longForms()) },
];

async function main(wanted: readonly string[]): Promise<number> {
  const unknown = wanted.filter((name) => !tiers.some((tier) => tier.name === name));
  if (unknown.length > 0) {
    console.error(`unknown tier ${unknown.join(", ")}; there are ${tiers.map((tier) => tier.name).join(", ")}`);
    return 2;
  }
  const total: Tally = { passed: 0, failed: 0, skipped: 0 };
  const lines: string[] = [];
  const failures: string[] = [];
  for (const tier of tiers.filter((t) => (wanted.length === 0 ? !t.onlyWhenNamed : wanted.includes(t.name)))) {
    console.log(`\n=== ${tier.name}`);
    const started = performance.now();
    const tally = await tier.run();
    total.passed += tally.passed;
    total.failed += tally.failed;
    total.skipped += tally.skipped;
    failures.push(...(tally.failures ?? []));
    const seconds = ((performance.now() - started) / 1000).toFixed(0);
    lines.push(
      `${tier.name}: ${tally.passed} passed, ${tally.failed} failed, ${tally.skipped} skipped in ${seconds} s`,
    );
  }
  for (const failure of failures) console.log(`\n✗ ${failure}`);
  console.log(`\n${lines.join("\n")}`);
  console.log(`${total.passed} passed, ${total.failed} failed${total.skipped > 0 ? `, ${total.skipped} skipped` : ""}`);
  return total.failed > 0 ? 1 : 0;
}

process.exitCode = await main(process.argv.slice(2));
