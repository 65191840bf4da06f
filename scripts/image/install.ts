/** In the image's build stage: the dependencies by npm, unless the repository's own node_modules are mounted there. */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";

if (!existsSync("node_modules/esbuild/package.json")) {
  const { status, error } = spawnSync("npm", ["ci", "--ignore-scripts", "--no-audit", "--no-fund"], {
    stdio: "inherit",
  });
  if (error !== undefined) console.error(`npm did not start: ${error.message}`);
  process.exit(status ?? 1);
}
