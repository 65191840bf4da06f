import { mountedModules, moduleFile, MODULE_PREFIX } from "../../engine/functions/plan-functions.ts";
import type { MountedModule } from "../../engine/functions/plan-functions.ts";
import type { Plan } from "../../engine/plan.ts";
import { WeirError } from "../../errors.ts";
import type { KubeClient } from "../../kube/client.ts";
import { isNotFound } from "../../kube/kube-error.ts";
import { configMaps } from "../../kube/resource.ts";
import type { EpochPlan } from "./epoch-plan.ts";

/** The files of an epoch's plan that hold users' modules. */
export type Modules = Readonly<Record<string, string>>;

/** A ConfigMap holds 1 MiB; the rest is for the plan and the pods' template. */
const MAX_BYTES = 768 * 1024;

/**
 * Reads the modules that a plan names. The epoch's plan gets a copy, so that all workers of an epoch, and those that
 * replace them, run the same code whatever becomes of the ConfigMap.
 */
export async function readModules(client: KubeClient, namespace: string, plan: Plan): Promise<Modules> {
  const modules = mountedModules(plan);
  const texts = await Promise.all(modules.map((module) => readModule(client, namespace, module)));
  const bytes = texts.reduce((sum, text) => sum + Buffer.byteLength(text), 0);
  if (bytes > MAX_BYTES) {
    const message = `the modules of spec.pipeline.functions are ${bytes} bytes together, and may be ${MAX_BYTES}; put them into the worker's image and name them by module.path`;
    throw new WeirError("FUNCTION_INVALID", message);
  }
  return Object.fromEntries(modules.map((module, i) => [moduleFile(module), texts[i] ?? ""]));
}

async function readModule(client: KubeClient, namespace: string, { configMap, key }: MountedModule): Promise<string> {
  const missing = (what: string, cause?: unknown): never => {
    const message = `spec.pipeline.functions needs key "${key}" of ConfigMap "${configMap}", but ${what}; the job starts when it is there`;
    throw new WeirError("FUNCTION_INVALID", message, { cause });
  };
  const found = await client.get<EpochPlan>(configMaps, { namespace, name: configMap }).catch((e: unknown) => {
    if (isNotFound(e)) return missing("there is no such ConfigMap", e);
    throw e;
  });
  const text = found.data?.[key];
  return text ?? missing(`the ConfigMap has ${Object.keys(found.data ?? {}).join(", ") || "no keys"}`);
}

/** Those of an epoch that was launched before. */
export const modulesOf = ({ data = {} }: EpochPlan): Modules =>
  Object.fromEntries(Object.entries(data).filter(([file]) => file.startsWith(MODULE_PREFIX)));
