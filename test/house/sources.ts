import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";

export const root = join(import.meta.dirname, "../..");

/** Files that git knows or would add, relative to the root. */
export function listFiles(...patterns: readonly string[]): string[] {
  const out = execFileSync("git", ["ls-files", "--cached", "--others", "--exclude-standard", "--", ...patterns], {
    cwd: root,
    encoding: "utf8",
  });
  return [...new Set(out.split("\n").filter((f) => f !== ""))].sort();
}

export const read = (file: string): string => readFileSync(join(root, file), "utf8");

export const isTest = (file: string): boolean => file.endsWith(".test.ts") || file.startsWith("test/");

/** Relative imports of a file as root-relative paths, and packages by name. */
export function importsOf(file: string): { files: string[]; packages: string[] } {
  const found = [...read(file).matchAll(/(?<!["-])\b(?:from|import)\s*\(?\s*"([^"\s,;]+)"/g)].map(
    (m) => m[1] as string,
  );
  return {
    files: found.filter((s) => s.startsWith(".")).map((s) => normalize(join(dirname(file), s))),
    packages: found.filter((s) => !s.startsWith(".") && !s.startsWith("node:")),
  };
}
