/** Bundles each entry point into one minified file: `node scripts/bundle.ts OUT`. Fewer files start faster and hold less memory. */
import { cpSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { build } from "esbuild";

const root = join(import.meta.dirname, "..");
const out = process.argv[2] ?? join(root, "dist");
const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { version: string };

await build({
  entryPoints: ["worker", "cli"].map((name) => join(root, "src/main", `${name}.ts`)),
  outdir: out,
  outExtension: { ".js": ".mjs" },
  bundle: true,
  minify: true,
  platform: "node",
  target: "node24",
  format: "esm",
  // Native addons stay packages: they are copied beside the bundles.
  external: ["@node-rs/crc32"],
  define: { "process.env.WEIR_VERSION": JSON.stringify(version) },
  // CommonJS packages in an ESM bundle still call require.
  banner: { js: 'import{createRequire as __cr}from"node:module";const require=__cr(import.meta.url);' },
  logLevel: "warning",
});

for (const name of ["crc32", "crc32-linux-x64-gnu", "crc32-linux-arm64-gnu"]) {
  const from = join(root, "node_modules/@node-rs", name);
  cpSync(from, join(out, "node_modules/@node-rs", name), {
    recursive: true,
    force: true,
    errorOnExist: false,
    filter: exists,
  });
}
// The image's entry point: a worker loads nothing of the operator.
writeFileSync(join(out, "weir.mjs"), `await import(process.argv[2] === "worker" ? "./worker.mjs" : "./cli.mjs");\n`);

function exists(source: string): boolean {
  try {
    readFileSync(join(source, "package.json"));
    return true;
  } catch {
    return !source.endsWith("gnu");
  }
}
