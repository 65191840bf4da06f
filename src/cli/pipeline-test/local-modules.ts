import { access, realpath } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import { WeirError } from "../../errors.ts";
import type { ImportModule } from "../../engine/functions/loaded-function.ts";
import { moduleName } from "../../engine/functions/plan-functions.ts";

/**
 * Modules for a test: the file that a ConfigMap's key is made of, or the one that the image has, lies beside the job. This
 * runs its code in this process; only `weir test` does that, whose user means it to.
 */
export function localModules(jobFile: string): ImportModule {
  return async (module) => {
    const file = join(dirname(jobFile), basename(moduleName(module)));
    const there = await access(file).then(
      () => true,
      () => false,
    );
    if (!there) throw new WeirError("FUNCTION_INVALID", `there is no ${file}; a test takes the module from there`);
    const url = pathToFileURL(await realpath(file)).href;
    return { exports: (await import(url)) as Readonly<Record<string, unknown>>, url };
  };
}
