import { isUtf8 } from "node:buffer";
import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { messageOf } from "../../errors.ts";
import { UsageError } from "../command.ts";

/** A text with the name that messages give it. */
export interface TextFile {
  readonly name: string;
  readonly text: string;
  /** Nobody named it: it is below a folder, where files of other tools lie, too. */
  readonly found?: boolean;
  /** The first character that is none: the file's bytes are not UTF-8 there. */
  readonly notUtf8?: number;
}

const MANIFEST = /\.(ya?ml|json)$/;
const MAX_FILES = 10_000;

/** Files as named, every manifest below folders, and `-` for what comes in. Throws a UsageError where there is nothing to read. */
export async function readFiles(names: readonly string[], stdin: () => Promise<Buffer>): Promise<TextFile[]> {
  if (names.length === 0) throw new UsageError("name files or folders, or - for standard input");
  const files: TextFile[] = [];
  for (const name of new Set(names)) {
    if (name === "-") files.push({ name: "<stdin>", ...textOf(await stdin()) });
    else
      for (const path of await filesOf(name))
        files.push({ name: path, found: path !== name, ...textOf(await bytesOf(path)) });
    if (files.length > MAX_FILES) throw new UsageError(`these are more than ${MAX_FILES} files; name fewer`);
  }
  return files;
}

async function filesOf(name: string): Promise<string[]> {
  const found = await stat(name).catch((e: unknown) => {
    throw new UsageError(`cannot read ${name}: ${messageOf(e)}`);
  });
  if (!found.isDirectory()) return [name];
  const files = await below(name);
  if (files.length === 0) throw new UsageError(`${name} has no .yaml, .yml or .json file`);
  return files;
}

/** Hidden folders and node_modules are nobody's manifests. */
async function below(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true });
  const files: string[] = [];
  for (const entry of entries.toSorted((a, b) => (a.name < b.name ? -1 : 1))) {
    const path = join(folder, entry.name);
    if (entry.isDirectory() && !entry.name.startsWith(".") && entry.name !== "node_modules")
      files.push(...(await below(path)));
    else if (entry.isFile() && MANIFEST.test(entry.name)) files.push(path);
  }
  return files;
}

async function bytesOf(path: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (e) {
    throw new UsageError(`cannot read ${path}: ${messageOf(e)}`);
  }
}

function textOf(bytes: Buffer): Pick<TextFile, "text" | "notUtf8"> {
  const text = bytes.toString("utf8");
  return isUtf8(bytes) ? { text } : { text, notUtf8: firstInvalid(text, bytes) };
}

const REPLACEMENT = "\uFFFD";

/** The first replacement character of a text that is not one of the file's own: bytes and text are alike before it. */
function firstInvalid(text: string, bytes: Buffer): number {
  const own = Buffer.from(REPLACEMENT);
  let offset = 0;
  let from = 0;
  for (;;) {
    const at = text.indexOf(REPLACEMENT, from);
    offset += Buffer.byteLength(text.slice(from, at));
    if (at < 0 || !bytes.subarray(offset, offset + own.length).equals(own)) return Math.max(0, at);
    offset += own.length;
    from = at + 1;
  }
}
