/** The Go programs that the tests run, built on first use and kept in the cache folder. */
import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";

export type Tool =
  "kube" | "coredns" | "helm" | "helm3" | "helm-unittest" | "kube-score" | "kstatus" | "argocd" | "versitygw";

const script = join(import.meta.dirname, "../../scripts/servers/build-go.sh");

/** The path of its binary. */
export async function toolBinary(name: Tool): Promise<string> {
  const { stdout } = await promisify(execFile)("bash", [script, name], { maxBuffer: 1 << 24 });
  return stdout.trim().split("\n").at(-1) ?? "";
}
