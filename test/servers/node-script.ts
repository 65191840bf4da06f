/** Runs scripts/cluster/cluster.sh for one cluster number. Its output is in the error when it fails. */
import { execFile } from "node:child_process";
import { join } from "node:path";

export const repository = join(import.meta.dirname, "../..");
const script = join(repository, "scripts/cluster/cluster.sh");

export function clusterScript(cluster: number, args: readonly string[]): Promise<string> {
  return runScript("bash", [script, ...args], { CLUSTER: String(cluster) });
}

export function runScript(
  command: string,
  args: readonly string[],
  environment: Readonly<Record<string, string>> = {},
): Promise<string> {
  return new Promise((resolve, reject) => {
    const env = { ...process.env, ...environment };
    execFile(command, args, { cwd: repository, env, maxBuffer: 1 << 26 }, (error, stdout, stderr) => {
      if (error === null) resolve(stdout);
      else reject(new Error(`${[command, ...args].join(" ")} ended with ${String(error.code)}: ${stderr}${stdout}`));
    });
  });
}
