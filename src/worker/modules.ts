import { createHash } from "node:crypto";
import { readFile, realpath } from "node:fs/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { ImportModule } from "../engine/functions/loaded-function.ts";
import { moduleFile } from "../engine/functions/plan-functions.ts";

/**
 * The user's code comes into this process here, and nowhere else. A module of a ConfigMap is a file of the epoch's plan; the
 * hash in its URL lets a process that has imported another content under this name import this one.
 */
export function importModules(planDir: string, resolvePath: (path: string) => string): ImportModule {
  return async (module) => {
    // Mounted files are symbolic links; stack traces name what they lead to.
    const file = await realpath(resolvePath("path" in module ? module.path : join(planDir, moduleFile(module))));
    const hash = createHash("sha256")
      .update(await readFile(file))
      .digest("hex")
      .slice(0, 16);
    const url = `${pathToFileURL(file).href}?sha256=${hash}`;
    return { exports: (await import(url)) as Readonly<Record<string, unknown>>, url };
  };
}
