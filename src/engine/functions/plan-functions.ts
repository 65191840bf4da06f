import type { Plan, PlanFunction, PlanModule } from "../plan.ts";

/** Name of the connectors that are a user's export; their `config` is a `CustomConfig`. */
export const CUSTOM = "custom";

export interface CustomConfig {
  readonly function: PlanFunction;
  readonly config: unknown;
}

/** Every function that a plan runs, by name. */
export function functionsOf(plan: Plan): ReadonlyMap<string, PlanFunction> {
  const ends = [...plan.sources, ...plan.sinks].filter((end) => end.connector === CUSTOM);
  const used = [
    ...plan.nodes.flatMap((node) => ("function" in node ? [node.function] : [])),
    ...ends.map((end) => (end.config as CustomConfig).function),
  ];
  return new Map(used.map((f) => [f.name, f]));
}

/** A key of a ConfigMap that holds a module. */
export type MountedModule = Extract<PlanModule, { readonly configMap: string }>;

/** The modules that come from ConfigMaps, each once. */
export function mountedModules(plan: Plan): readonly MountedModule[] {
  const modules = [...functionsOf(plan).values()].map((f) => f.module).filter((m) => "configMap" in m);
  return [...new Map(modules.map((m) => [moduleFile(m), m])).values()];
}

/** Prefix of modules among the files of an epoch's plan. */
export const MODULE_PREFIX = "module_";

/** Where an epoch's plan keeps a module. An underscore is in no ConfigMap's name, so that no two have the same file. */
export const moduleFile = ({ configMap, key }: MountedModule): string => `${MODULE_PREFIX}${configMap}_${key}`;

/** How a module is called in messages. */
export const moduleName = (module: PlanModule): string => ("path" in module ? module.path : module.key);
