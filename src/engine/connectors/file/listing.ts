import { glob, readdir, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { messageOf, WeirError } from "../../../errors.ts";

/** The files of a path, a folder or a glob, in order of their names; hidden files are left out. */
export async function listInput(path: string, shown: string): Promise<{ name: string; path: string }[]> {
  try {
    const found = /[*?[\]{}]/.test(basename(path)) ? await matching(path) : await plain(path);
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
  for await (const name of glob(basename(pattern), { cwd: folder })) found.push({ name, path: join(folder, name) });
  return found;
}

async function plain(path: string): Promise<{ name: string; path: string }[]> {
  if (!(await stat(path)).isDirectory()) return [{ name: basename(path), path }];
  const entries = await readdir(path, { withFileTypes: true });
  return entries
    .filter((e) => e.isFile() && !e.name.startsWith("."))
    .map((e) => ({ name: e.name, path: join(path, e.name) }));
}
