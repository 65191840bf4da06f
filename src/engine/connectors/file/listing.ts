import type { Dirent } from "node:fs";
import { glob, opendir, readdir, stat } from "node:fs/promises";
import { basename, dirname, join, relative } from "node:path";
import { messageOf, WeirError } from "../../../errors.ts";

interface InputFile {
  readonly name: string;
  readonly path: string;
}

/** The files of a path, a folder or a glob, in order of their names; hidden files are left out. */
export async function listInput(path: string, shown: string): Promise<InputFile[]> {
  try {
    const isPattern = /[*?[\]{}]/.test(basename(path)) && !(await exists(path));
    const found = isPattern ? await matching(path) : await plain(path);
    return inOrder(found);
  } catch (e) {
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

/** Also links to files, as all of a mounted ConfigMap are. */
async function filesOf(folder: string, entries: readonly Dirent[]): Promise<InputFile[]> {
  const found = entries.map(async (entry) => {
    const path = join(entry.parentPath, entry.name);
    const taken = entry.isFile() || (entry.isSymbolicLink() && (await isFile(path)));
    return taken ? [{ name: relative(folder, path), path }] : [];
  });
  return (await Promise.all(found)).flat();
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
