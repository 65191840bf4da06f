import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";

/**
 * The content of every file below a folder, byte by byte as latin1, by its path. Workers write there meanwhile: a file that goes
 * between the look at its folder and the look at itself, as an old checkpoint does, is not there.
 */
export function filesBelow(folder: string): Record<string, string> {
  const found: Record<string, string> = {};
  for (const entry of entriesOf(folder)) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) Object.assign(found, filesBelow(path));
    else unlessGone(() => (found[path] = readFileSync(path, "latin1")));
  }
  return found;
}

const entriesOf = (folder: string) => unlessGone(() => readdirSync(folder, { withFileTypes: true })) ?? [];

function unlessGone<T>(look: () => T): T | undefined {
  try {
    return look();
  } catch (e) {
    if (e instanceof Error && "code" in e && e.code === "ENOENT") return undefined;
    throw e;
  }
}
