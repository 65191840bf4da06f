/** The software bill of materials of the image: what esbuild read, with versions and checksums from the lock file. */
import { readFileSync } from "node:fs";
import { join } from "node:path";

interface LockedPackage {
  readonly version?: string;
  readonly license?: string;
  readonly integrity?: string;
}

interface Component {
  readonly type: "library" | "application" | "platform";
  readonly "bom-ref": string;
  readonly name: string;
  readonly version: string;
  readonly purl?: string;
  readonly licenses?: readonly object[];
  readonly hashes?: readonly { readonly alg: string; readonly content: string }[];
}

/** The folders of the packages that these files are of: `node_modules/pino/node_modules/x`. */
export function bundledPackages(files: readonly string[]): string[] {
  const folders = files.map((file) => /^(?:.*\/)?node_modules\/(?:@[^/]+\/)?[^/]+/.exec(file)?.[0]);
  return folders.filter((folder) => folder !== undefined);
}

/** CycloneDX 1.6 (ECMA-424). `folders` are keys of the lock file; one may be named twice. */
export function softwareBill(root: string, folders: readonly string[]): object {
  const lock = JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8")) as {
    name: string;
    version: string;
    packages: Readonly<Record<string, LockedPackage>>;
  };
  const components = [...new Set(folders)].toSorted().map((folder) => componentOf(folder, lock.packages[folder]));
  const node: Component = {
    type: "platform",
    "bom-ref": "node",
    name: "node",
    version: process.version.slice(1),
    purl: `pkg:generic/node@${process.version.slice(1)}`,
  };
  const weir = { type: "application", "bom-ref": "weir", name: lock.name, version: lock.version };
  return {
    $schema: "http://cyclonedx.org/schema/bom-1.6.schema.json",
    bomFormat: "CycloneDX",
    specVersion: "1.6",
    version: 1,
    metadata: { component: weir, lifecycles: [{ phase: "build" }] },
    components: [node, ...components],
    dependencies: [{ ref: "weir", dependsOn: ["node", ...components.map((c) => c["bom-ref"])] }],
  };
}

function componentOf(folder: string, locked: LockedPackage | undefined): Component {
  const name = folder.slice(folder.lastIndexOf("node_modules/") + "node_modules/".length);
  if (locked?.version === undefined) throw new Error(`${folder} is in the bundle and not in package-lock.json`);
  const purl = `pkg:npm/${name.replace("@", "%40")}@${locked.version}`;
  return {
    type: "library",
    "bom-ref": purl,
    name,
    version: locked.version,
    purl,
    ...(locked.license === undefined ? {} : { licenses: [licenceOf(locked.license)] }),
    ...(locked.integrity === undefined ? {} : { hashes: [hashOf(locked.integrity)] }),
  };
}

/** One licence by its id, several as an expression: "(MIT OR Apache-2.0)". */
function licenceOf(text: string): object {
  return text.includes(" ") ? { expression: text } : { license: { id: text } };
}

/** From Subresource Integrity ("sha512-" and base64) to hexadecimal. */
function hashOf(integrity: string): { alg: string; content: string } {
  const [algorithm = "", base64 = ""] = integrity.split("-");
  return { alg: algorithm.replace("sha", "SHA-"), content: Buffer.from(base64, "base64").toString("hex") };
}
