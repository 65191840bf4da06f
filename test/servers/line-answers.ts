import { spawn } from "node:child_process";

export interface Program {
  readonly command: string;
  readonly args?: readonly string[];
  /** Added to this process's environment. */
  readonly env?: NodeJS.ProcessEnv;
}

/** Asks a program that answers each line of JSON by one; rejects where it does not answer them all. */
export async function lineAnswers<T>(program: Program, questions: readonly object[]): Promise<T[]> {
  const lines = await run(program, questions.map((question) => `${JSON.stringify(question)}\n`).join(""));
  if (lines.length !== questions.length)
    throw new Error(`${program.command} answered ${lines.length} of ${questions.length}: ${lines.join("\n")}`);
  return lines.map((line) => JSON.parse(line) as T);
}

function run({ command, args = [], env = {} }: Program, input: string): Promise<string[]> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { env: { ...process.env, ...env }, stdio: ["pipe", "pipe", "pipe"] });
    const out: Buffer[] = [];
    const err: Buffer[] = [];
    child.stdout.on("data", (chunk: Buffer) => out.push(chunk));
    child.stderr.on("data", (chunk: Buffer) => err.push(chunk));
    child.stdin.on("error", () => undefined);
    child.on("error", reject);
    child.on("close", (code) => {
      const lines = Buffer.concat(out).toString().split("\n");
      if (code === 0) resolve(lines.filter((line) => line !== ""));
      else reject(new Error(`${command} ended with ${code}: ${Buffer.concat(err).toString()}`));
    });
    child.stdin.end(input);
  });
}
