import type { Stats } from "node:fs";
import { glob, readdir, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { messageOf, WeirError } from "../../../errors.ts";

/** The files of a path, a folder or a glob, in order of their names; hidden files are left out. */
export async function listInput(path: string, shown: string): Promise<{ name: string; path: string }[]> {
  try {
    const isPattern = /[*?[\]{}]/.test(basename(path)) && !(await exists(path));
    const found = isPattern ? await matching(path) : await plain(path);
    return found.toSorted((a, b) => (a.name < b.name ? -1 : 1));
  } catch (e) {
    const missing = (e as NodeJS.ErrnoException).code === "ENOENT";
    const why = missing ? "it is not in the worker's pod; mount what has it by spec.worker.volumes" : messageOf(e);
    throw new WeirError("SOURCE_UNREACHABLE", `cannot list ${shown}: ${why}`, { cause: e });
  }
}

async function matching(pattern: string): Promise<{ name: string; path: string }[]> {
  const found: { name: string; path: string }[] = [];
  const folder = dirname(pattern);
  await stat(folder);
  for await (const name of glob(basename(pattern), { cwd: folder })) {
    const path = join(folder, name);
    if (await isFile(path)) found.push({ name, path });
  }
  return found;
}

async function plain(path: string): Promise<{ name: string; path: string }[]> {
  if (!(await stat(path)).isDirectory()) return [{ name: basename(path), path }];
  const found: { name: string; path: string }[] = [];
  for (const name of await readdir(path)) {
    const file = join(path, name);
    if (!name.startsWith(".") && (await isFile(file))) found.push({ name, path: file });
  }
  return found;
}

/** Or a link to one, as every file of a mounted ConfigMap is. */
const isFile = async (path: string): Promise<boolean> => (await statOf(path))?.isFile() === true;
const exists = async (path: string): Promise<boolean> => (await statOf(path)) !== undefined;

const statOf = (path: string): Promise<Stats | undefined> =>
  stat(path).catch((e: unknown) => {
    if ((e as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw e;
  });
