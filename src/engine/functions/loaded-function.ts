import { messageOf, WeirError } from "../../errors.ts";
import type { Plan, PlanFunction, PlanModule } from "../plan.ts";
import type { SavedState } from "./author.ts";
import { CUSTOM, functionsOf, moduleName } from "./plan-functions.ts";

/** A module as it was imported; `url` names it in stack traces. */
export interface ImportedModule {
  readonly exports: Readonly<Record<string, unknown>>;
  readonly url: string;
}

/** Brings a module of the plan into this process. */
export type ImportModule = (module: PlanModule) => Promise<ImportedModule>;

/** What a process node runs. */
export interface LoadedFunction {
  readonly name: string;
  /** Its module, for messages. */
  readonly file: string;
  readonly url: string;
  readonly onRecord: (event: unknown, context: unknown) => unknown;
  readonly onTimer: ((timer: unknown, context: unknown) => unknown) | undefined;
  readonly stateVersion: number;
  readonly migrate: ((saved: SavedState, from: number) => SavedState) | undefined;
}

/** Imports what the plan's process nodes run. Its connectors are imported where they are opened. */
export async function loadFunctions(
  plan: Plan,
  importModule: ImportModule,
): Promise<ReadonlyMap<string, LoadedFunction>> {
  const names = new Set(plan.nodes.flatMap((node) => ("function" in node ? [node.function.name] : [])));
  const functions = [...functionsOf(plan).values()].filter((f) => names.has(f.name));
  const loaded = await Promise.all(functions.map(async (f) => loadedFunction(f, await exported(f, importModule))));
  return new Map(loaded.map((f) => [f.name, f]));
}

export interface Exported {
  readonly value: unknown;
  readonly url: string;
}

/** The export that a function names. */
export async function exported(of: PlanFunction, importModule: ImportModule): Promise<Exported> {
  const module = await importModule(of.module).catch((e: unknown) => {
    throw new WeirError("FUNCTION_INVALID", `${titleOf(of)}: the module cannot be loaded: ${messageOf(e)}`, {
      cause: e,
    });
  });
  if (Object.hasOwn(module.exports, of.export)) return { value: module.exports[of.export], url: module.url };
  const names = Object.keys(module.exports);
  const has = names.length === 0 ? "it exports nothing" : `it exports ${names.join(", ")}`;
  throw new WeirError("FUNCTION_INVALID", `${titleOf(of)}: the module has no export "${of.export}"; ${has}`);
}

export const titleOf = (of: PlanFunction): string => `function "${of.name}" (${moduleName(of.module)})`;

/** Checks an export's form; what it does is seen when it runs. */
export function loadedFunction(of: PlanFunction, { value, url }: Exported): LoadedFunction {
  const refuse = (why: string): never => {
    throw new WeirError("FUNCTION_INVALID", `${titleOf(of)}: export "${of.export}" ${why}`);
  };
  const form = typeof value === "function" ? { onRecord: value } : value;
  if (typeof form !== "object" || form === null) return refuse("must be a function, or an object with onRecord");
  const own = form as Readonly<Record<string, unknown>>;
  const method = <F>(name: string): F | undefined => {
    const found = own[name];
    if (found === undefined) return undefined;
    if (typeof found !== "function") return refuse(`has ${name}, which is not a function`);
    const kind = found.constructor.name;
    if (kind !== "Function")
      return refuse(`has ${name} as ${kind}; it must be synchronous: an event is done when it returns`);
    return found.bind(form) as F;
  };
  const { stateVersion = 1 } = own;
  if (!Number.isSafeInteger(stateVersion) || (stateVersion as number) < 1)
    return refuse("has a stateVersion that is not a whole number from 1");
  return {
    name: of.name,
    file: moduleName(of.module),
    url,
    onRecord: method<LoadedFunction["onRecord"]>("onRecord") ?? refuse("has no function onRecord"),
    onTimer: method("onTimer"),
    stateVersion: stateVersion as number,
    migrate: method("migrate"),
  };
}

/** Fails where a plan has user code and nobody said how to import it. */
export const refuseModules: ImportModule = (module) =>
  Promise.reject(new WeirError("INTERNAL", `nothing imports modules here, but the plan has ${moduleName(module)}`));

export const hasCustomCode = (plan: Plan): boolean =>
  plan.nodes.some((node) => "function" in node) || [...plan.sources, ...plan.sinks].some((e) => e.connector === CUSTOM);
