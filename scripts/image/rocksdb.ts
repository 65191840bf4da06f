/**
 * In the image's build stage, `node scripts/image/rocksdb.ts OUT`: the addon of RocksDB and its libraries beside the bundle, and
 * what they are into its SBOM. Nothing with ROCKSDB=0. Built there, unless the mounted node_modules have it.
 */
import { spawnSync } from "node:child_process";
import { cpSync, existsSync, readFileSync, statSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const out = process.argv[2] ?? "dist/app";
const built = "node_modules/.weir/rocksdb";

interface Bill {
  readonly components: object[];
  readonly dependencies: readonly { readonly dependsOn: string[] }[];
}

if (process.env["ROCKSDB"] !== "0") {
  if (!existsSync(join(built, "weir-rocksdb.node"))) build();
  cpSync(built, join(out, "rocksdb"), { recursive: true, filter: (path) => !path.endsWith("/key") });
  noteParts();
  const bytes = readdirSync(join(out, "rocksdb")).reduce((sum, f) => sum + statSync(join(out, "rocksdb", f)).size, 0);
  console.log(`RocksDB adds ${(bytes / 1e6).toFixed(1)} MB`);
}

function build(): void {
  const { status, error } = spawnSync("bash", ["scripts/rocksdb/build.sh"], { stdio: "inherit" });
  if (error !== undefined) console.error(`bash did not start: ${error.message}`);
  if (status !== 0) {
    console.error("the RocksDB addon was not built; --build-arg ROCKSDB=0 leaves it out");
    process.exit(status ?? 1);
  }
}

function noteParts(): void {
  const file = join(out, "sbom.json");
  const bill = JSON.parse(readFileSync(file, "utf8")) as Bill;
  const lines = readFileSync(join(built, "packages.txt"), "utf8").trim().split("\n");
  for (const line of lines) {
    const [name = "", version = ""] = line.split(" ");
    const purl = `pkg:deb/debian/${name}@${version}`;
    bill.dependencies[0]?.dependsOn.push(purl);
    bill.components.push({ type: "library", "bom-ref": purl, name, version, purl });
  }
  writeFileSync(file, `${JSON.stringify(bill, null, 2)}\n`);
}
