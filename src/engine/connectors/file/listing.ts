import type { Dirent } from "node:fs";
import { glob, opendir, readdir, realpath, stat } from "node:fs/promises";
import { basename, dirname, join, relative } from "node:path";
import { isWeirError, messageOf, WeirError } from "../../../errors.ts";

interface InputFile {
  readonly name: string;
  readonly path: string;
}

/** The files of a path, a folder or a glob, in order of their names; hidden files are left out. */
export async function listInput(path: string, shown: string): Promise<InputFile[]> {
  try {
    const isPattern = /[*?[\]{}]/.test(basename(path)) && !(await exists(path));
    const found = isPattern ? await matching(path) : await plain(path);
    if (found.length > 0) return inOrder(found);
    const nothing = isPattern ? `no file matches ${shown}` : `there is no file in ${shown}`;
    throw new WeirError(
      "SOURCE_UNREACHABLE",
      `${nothing}: the job begins when there is one. Hidden files do not count`,
    );
  } catch (e) {
    if (isWeirError(e)) throw e;
    const missing = (e as NodeJS.ErrnoException).code === "ENOENT";
    const why = missing ? "it is not in the worker's pod; mount what has it by spec.worker.volumes" : messageOf(e);
    throw new WeirError("SOURCE_UNREACHABLE", `cannot list ${shown}: ${why}`, { cause: e });
  }
}

async function matching(pattern: string): Promise<InputFile[]> {
  const folder = dirname(pattern);
  // A folder that cannot be read is an empty one to `glob`.
  await (await opendir(folder)).close();
  return await filesOf(folder, await Array.fromAsync(glob(basename(pattern), { cwd: folder, withFileTypes: true })));
}

async function plain(path: string): Promise<InputFile[]> {
  if (!(await stat(path)).isDirectory()) return [{ name: basename(path), path }];
  const entries = await readdir(path, { withFileTypes: true });
  return await filesOf(
    path,
    entries.filter(({ name }) => !name.startsWith(".")),
  );
}

/**
 * Also links to files, as all of a mounted ConfigMap are. No file is there twice: by its own name, or else by the first
 * of its links.
 */
async function filesOf(folder: string, entries: readonly Dirent[]): Promise<InputFile[]> {
  const at = entries.map((entry) => ({ entry, path: join(entry.parentPath, entry.name) }));
  const files = at.filter(({ entry }) => entry.isFile()).map(({ path }) => ({ name: relative(folder, path), path }));
  const links = await Promise.all(at.filter(({ entry }) => entry.isSymbolicLink()).map(({ path }) => targetOf(path)));
  const own = await realpath(folder);
  const known = new Set(files.map(({ name }) => join(own, name)));
  for (const link of inOrder(links.filter((found) => found !== undefined))) {
    if (known.has(link.target)) continue;
    known.add(link.target);
    files.push({ name: relative(folder, link.path), path: link.path });
  }
  return files;
}

/** The file that a link leads to, if it leads to one. */
async function targetOf(path: string): Promise<{ path: string; target: string } | undefined> {
  const target = await ifReached(realpath(path));
  return target !== undefined && (await isFile(target)) ? { path, target } : undefined;
}

const inOrder = <T extends { readonly path: string }>(found: readonly T[]): T[] =>
  found.toSorted((a, b) => (a.path < b.path ? -1 : 1));

const isFile = async (path: string): Promise<boolean> => (await ifReached(stat(path)))?.isFile() === true;
const exists = async (path: string): Promise<boolean> => (await ifReached(stat(path))) !== undefined;

/** What is said of a path that leads nowhere, or not for this process: one such link does not stop a folder. */
const NOT_REACHED: readonly unknown[] = ["ENOENT", "ENOTDIR", "ELOOP", "ENAMETOOLONG", "EACCES"];

const ifReached = <T>(asked: Promise<T>): Promise<T | undefined> =>
  asked.catch((e: unknown) => {
    if (NOT_REACHED.includes((e as NodeJS.ErrnoException).code)) return undefined;
    throw e;
  });
