/**
 * Regenerates every generated file; with --check it writes nothing and fails where one is out of date.
 * A generator is a function from nothing to {path: content}.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { chartFile } from "./gen/chart/chart-file.ts";
import { chartTemplates } from "./gen/chart/templates.ts";
import { chartReadme } from "./gen/chart/value-reference.ts";
import { chartValueFiles } from "./gen/chart/values.ts";
import { alertFiles } from "./gen/alert-files.ts";
import { argocd } from "./gen/argocd.ts";
import { conditionReference } from "./gen/condition-reference.ts";
import { crds } from "./gen/crds.ts";
import { errorReference } from "./gen/error-reference.ts";
import { flagReference } from "./gen/flag-reference.ts";
import { installFile } from "./gen/install.ts";
import { metricReference } from "./gen/metric-reference.ts";
import { webAssemblyCode } from "./gen/webassembly-code.ts";

type Generator = () => Readonly<Record<string, string>>;

const installs: readonly Generator[] = [chartFile, chartValueFiles, chartTemplates, chartReadme, installFile];
const generators: readonly Generator[] = [
  errorReference,
  conditionReference,
  metricReference,
  alertFiles,
  flagReference,
  crds,
  ...installs,
  argocd,
  webAssemblyCode,
];

const root = join(import.meta.dirname, "..");
const check = process.argv.includes("--check");
const stale: string[] = [];
for (const [path, content] of generators.flatMap((generate) => Object.entries(generate()))) {
  const file = join(root, path);
  if (existsSync(file) && readFileSync(file, "utf8") === content) continue;
  stale.push(path);
  if (check) continue;
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, content);
}
if (stale.length > 0) console.log(`${check ? "out of date, run make gen" : "written"}: ${stale.join(", ")}`);
if (check && stale.length > 0) process.exitCode = 1;
