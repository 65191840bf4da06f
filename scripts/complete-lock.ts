/**
 * Completes package-lock.json after a change of dependencies: `npm install` leaves out optional packages of other
 * platforms that its registry does not have, and then `npm ci` refuses the lock file. An entry with version, os and cpu
 * is enough for npm to skip them. Run by hand after `npm install`; changes nothing when the lock is complete.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

interface Entry {
  version?: string;
  dev?: boolean;
  optional?: boolean;
  os?: string[];
  cpu?: string[];
  libc?: string[];
  optionalDependencies?: Record<string, string>;
}

const systems: Readonly<Record<string, string>> = {
  aix: "aix", android: "android", darwin: "darwin", freebsd: "freebsd", linux: "linux", netbsd: "netbsd",
  openbsd: "openbsd", openharmony: "openharmony", sunos: "sunos", win32: "win32", windows: "win32",
}; // prettier-ignore
const processors = new Set([
  "arm",
  "arm64",
  "ia32",
  "loong64",
  "mips64el",
  "ppc64",
  "riscv64",
  "s390x",
  "wasm32",
  "x64",
]);

const file = join(import.meta.dirname, "../package-lock.json");
const lock = JSON.parse(readFileSync(file, "utf8")) as { packages: Record<string, Entry> };
const { packages } = lock;

/** Where Node would find `name` from a package at `at`: beside it, or in a folder above. */
function resolves(at: string, name: string): boolean {
  const parts = at === "" ? [] : at.split("/node_modules/");
  for (let depth = parts.length; depth >= 0; depth--) {
    const base = parts.slice(0, depth).join("/node_modules/");
    if (`${base === "" ? "" : `${base}/`}node_modules/${name}` in packages) return true;
  }
  return false;
}

function placeholder(name: string, range: string, dev: boolean | undefined): Entry {
  const words = name.toLowerCase().split(/[^a-z0-9]+/);
  const os = [...new Set(words.flatMap((w) => systems[w] ?? []))];
  const cpu = words.filter((w) => processors.has(w));
  return {
    version: range.replace(/^[\^~]/, ""),
    ...(cpu.length > 0 ? { cpu } : {}),
    ...(words.includes("musl") ? { libc: ["musl"] } : {}),
    ...(dev === true ? { dev } : {}),
    optional: true,
    // A name that says no system is for none of ours.
    os: os.length > 0 ? os : ["none"],
  };
}

const missing = Object.entries(packages).flatMap(([at, entry]) =>
  Object.entries(entry.optionalDependencies ?? {})
    .filter(([name]) => !resolves(at, name))
    .map(([name, range]) => [`node_modules/${name}`, placeholder(name, range, entry.dev)] as const),
);
const { "": root, ...rest } = { ...packages, ...Object.fromEntries(missing) };
const sorted = Object.entries(rest).toSorted(([a], [b]) => (a < b ? -1 : 1));
lock.packages = Object.fromEntries([["", root ?? {}], ...sorted]);
writeFileSync(file, `${JSON.stringify(lock, null, 2)}\n`);
console.log(missing.length === 0 ? "complete" : `added ${missing.map(([path]) => path).join(" ")}`);
