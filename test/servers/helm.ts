/** Helm with a home of its own, against a test's API server or against none. */
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { CommandResult } from "./kubernetes.ts";
import type { Tool } from "./tools.ts";
import { toolBinary } from "./tools.ts";

export const chart = join(import.meta.dirname, "../../charts/weir");

export interface Helm {
  /** Never rejects for a non-zero exit. */
  run(args: readonly string[]): Promise<CommandResult>;
  /** Standard output; rejects with what Helm said where it fails. */
  ok(args: readonly string[]): Promise<string>;
  /** Removes its home. */
  stop(): void;
}

export async function startHelm(tool: "helm" | "helm3", kubeconfigPath = "/dev/null"): Promise<Helm> {
  const home = mkdtempSync(join(tmpdir(), "weir-helm-"));
  const places = Object.fromEntries(["CACHE", "CONFIG", "DATA"].map((kind) => [`HELM_${kind}_HOME`, join(home, kind)]));
  const env = { ...places, KUBECONFIG: kubeconfigPath, HOME: home };
  const run: Helm["run"] = (args) => runTool(tool, args, env);
  return {
    run,
    ok: async (args) => {
      const { code, stdout, stderr } = await run(args);
      if (code !== 0) throw new Error(`helm ${args.join(" ")} failed:\n${stdout}${stderr}`);
      return stdout;
    },
    stop: () => rmSync(home, { recursive: true, force: true, maxRetries: 5 }),
  };
}

/** Runs a tool to its end. */
export async function runTool(
  tool: Tool,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
  stdin = "",
): Promise<CommandResult> {
  const binary = await binaryOf(tool);
  return new Promise((resolve) => {
    const child = execFile(
      binary,
      [...args],
      { env: { ...process.env, ...env }, maxBuffer: 1 << 26 },
      (error, stdout, stderr) => {
        const code = error === null ? 0 : typeof error.code === "number" ? error.code : 1;
        resolve({ code, stdout, stderr });
      },
    );
    child.stdin?.on("error", () => undefined); // a tool that fails may not read it
    child.stdin?.end(stdin);
  });
}

const binaries = new Map<Tool, Promise<string>>();

function binaryOf(tool: Tool): Promise<string> {
  const binary = binaries.get(tool) ?? toolBinary(tool);
  binaries.set(tool, binary);
  return binary;
}
