/**
 * Bundles the program for the image: `node scripts/bundle.ts OUT`. Few minified files start faster and hold less memory than
 * a tree of packages. `sbom.json` beside them says what is in them.
 */
import { cpSync, existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type BuildOptions, build } from "esbuild";
import { bundledPackages, softwareBill } from "./image/sbom.ts";

const root = join(import.meta.dirname, "..");
const out = process.argv[2] ?? join(root, "dist/app");
const main = (name: string): string => join(root, "src/main", `${name}.ts`);

/** Its native part cannot be in a bundle: the package is copied beside them. */
const ADDON = "@node-rs/crc32";

const common = {
  absWorkingDir: root,
  outdir: out,
  outExtension: { ".js": ".mjs" },
  bundle: true,
  minify: true,
  keepNames: true, // errors are told apart by name in logs
  legalComments: "none",
  platform: "node",
  target: "node24",
  format: "esm",
  external: [ADDON],
  // CommonJS packages in an ESM bundle still call require.
  banner: { js: 'import{createRequire as __cr}from"node:module";const require=__cr(import.meta.url);' },
  logLevel: "warning",
  metafile: true,
} satisfies BuildOptions;

mkdirSync(out, { recursive: true });
// A worker holds nothing of the operator, and reads a connector's file only when its plan needs it; the CLI loads the operator's
// when it is asked for it.
const worker = await build({ ...common, entryPoints: { worker: main("worker") }, splitting: true });
const cli = await build({
  ...common,
  entryPoints: { cli: main("cli"), operator: main("operator-process") },
  splitting: true,
});

const addons = [ADDON, ...["x64", "arm64"].map((arch) => `${ADDON}-linux-${arch}-gnu`)].filter((name) =>
  existsSync(join(root, "node_modules", name, "package.json")),
);
for (const name of addons) {
  cpSync(join(root, "node_modules", name), join(out, "node_modules", name), {
    recursive: true,
    filter: (path) => !/\.(d\.ts|md)$|browser\.js$/.test(path),
  });
}

writeFileSync(join(out, "weir.mjs"), `await import(process.argv[2] === "worker" ? "./worker.mjs" : "./cli.mjs");\n`);
const inputs = [worker, cli]
  .flatMap(({ metafile }) => Object.values(metafile.outputs))
  .flatMap((output) => Object.entries(output.inputs))
  .filter(([, { bytesInOutput }]) => bytesInOutput > 0)
  .map(([file]) => file);
const bill = softwareBill(root, [...bundledPackages(inputs), ...addons.map((name) => `node_modules/${name}`)]);
writeFileSync(join(out, "sbom.json"), `${JSON.stringify(bill, null, 2)}\n`);
