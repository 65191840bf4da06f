/** A page of the documentation, run as a reader would: its `sh` blocks, one after another, in a copy of what a clone has. */
import { execFile } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { toolBinary } from "./tools.ts";

const repository = join(import.meta.dirname, "../..");

export interface Reader {
  /** Where the blocks run, and leave files. */
  readonly folder: string;
  /** Runs every `sh` block of a page of docs/; rejects with the block that failed and what it printed. */
  follow(page: string): Promise<void>;
  /** Runs one block. */
  run(block: string): Promise<void>;
  stop(): void;
}

/** The `sh` blocks of a page, in their order. */
export function commandsOf(page: string): string[] {
  const text = readFileSync(join(repository, "docs", page), "utf8");
  return [...text.matchAll(/^```sh\n(.*?)^```$/gms)].map((match) => match[1] ?? "");
}

/** A reader with weir in PATH, and where there is a cluster with kubectl, Helm and its KUBECONFIG. */
export async function startReader(kubeconfigPath?: string): Promise<Reader> {
  const home = mkdtempSync(join(tmpdir(), "weir-reader-"));
  const clone = join(home, "weir");
  const bin = join(home, "bin");
  mkdirSync(bin);
  for (const folder of ["charts", "config", "crds"]) {
    cpSync(join(repository, folder), join(clone, folder), { recursive: true });
  }
  const cli = join(repository, "src/main/cli.ts");
  writeFileSync(join(bin, "weir"), `#!/bin/sh\nexec ${process.execPath} ${cli} "$@"\n`, { mode: 0o755 });
  if (kubeconfigPath !== undefined) {
    writeFileSync(join(bin, "kubectl"), `#!/bin/sh\nexec ${await toolBinary("kube")} kubectl "$@"\n`, { mode: 0o755 });
    symlinkSync(await toolBinary("helm"), join(bin, "helm"));
  }
  const env = {
    ...process.env,
    PATH: `${bin}:${process.env["PATH"] ?? ""}`,
    HOME: home,
    KUBECONFIG: kubeconfigPath ?? "/dev/null",
  };
  const run = (block: string): Promise<void> =>
    new Promise((resolve, reject) => {
      const options = { cwd: clone, env, maxBuffer: 1 << 24 };
      execFile("bash", ["-euo", "pipefail", "-c", block], options, (error, stdout, stderr) => {
        if (error === null) resolve();
        else reject(new Error(`these commands failed:\n${block}\nand printed:\n${stdout}${stderr}`));
      });
    });
  return {
    folder: clone,
    run,
    follow: async (page) => {
      const blocks = commandsOf(page);
      if (blocks.length === 0) throw new Error(`docs/${page} has no commands`);
      for (const block of blocks) await run(block);
    },
    stop: () => rmSync(home, { recursive: true, force: true, maxRetries: 5 }),
  };
}
