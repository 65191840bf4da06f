import { writeFile } from "node:fs/promises";
import { buffer } from "node:stream/consumers";
import { parseArgs } from "node:util";
import { type Command, EXIT, UsageError } from "../cli/command.ts";
import { lintJunit } from "../cli/lint/junit.ts";
import { lint, tell } from "../cli/lint/lint.ts";
import { readFiles } from "../cli/lint/read-files.ts";
import { junit } from "../cli/pipeline-test/junit.ts";
import { tellTests, testFiles } from "../cli/pipeline-test/test-report.ts";
import { admit } from "../controllers/admission.ts";
import { messageOf } from "../errors.ts";

/** Commands that look at files and need no cluster. */
const OUTPUT = { output: { type: "string", short: "o" } } as const;

const lintCommand: Command = {
  name: "lint",
  summary:
    "Says what the operator would refuse in these files, what may not be meant, and which tests of pipelines do not hold.\n" +
    "Exit code 0: no error; 1: errors, or warnings with --strict; 2: wrong usage, or a file that cannot be read.",
  usage: "FILE|FOLDER|-… [-o text|json] [--strict] [--junit FILE]",
  run: async (args, io) => {
    const options = { ...OUTPUT, strict: { type: "boolean" }, junit: { type: "string" } } as const;
    const { values, positionals } = parseArgs({ args: [...args], allowPositionals: true, options });
    const asJson = isJson(values.output);
    const files = await readFiles(positionals, () => buffer(process.stdin));
    const report = await lint(files, admit);
    if (asJson) io.out(JSON.stringify(report, undefined, 2));
    else tell(report, io);
    const counting = report.findings.filter((f) => f.severity === "error" || values.strict === true);
    if (values.junit !== undefined) await write(values.junit, lintJunit(files, counting));
    return counting.length > 0 ? EXIT.failed : EXIT.ok;
  },
};

const testCommand: Command = {
  name: "test",
  summary:
    "Runs the tests of pipelines (spec.pipeline.tests) in this process.\n" +
    "Exit code 0: all pass; 1: one fails, or a job is refused; 2: wrong usage, or a file that cannot be read.",
  usage: "FILE|FOLDER|-… [-o text|json] [--junit FILE]",
  run: async (args, io) => {
    const options = { ...OUTPUT, junit: { type: "string" } } as const;
    const { values, positionals } = parseArgs({ args: [...args], allowPositionals: true, options });
    const asJson = isJson(values.output);
    const report = await testFiles(await readFiles(positionals, () => buffer(process.stdin)), admit);
    if (asJson) io.out(JSON.stringify(report, undefined, 2));
    else tellTests(report, io);
    if (values.junit !== undefined) await write(values.junit, junit(report));
    const fails = report.refused.length > 0 || report.results.some((r) => r.findings.length > 0);
    return fails ? EXIT.failed : EXIT.ok;
  },
};

async function write(file: string, text: string): Promise<void> {
  await writeFile(file, text).catch((e: unknown) => {
    throw new UsageError(`cannot write ${file}: ${messageOf(e)}`);
  });
}

function isJson(output = "text"): boolean {
  if (output !== "text" && output !== "json") throw new UsageError(`-o is text or json, not ${output}`);
  return output === "json";
}

export const checkCommands: readonly Command[] = [lintCommand, testCommand];
