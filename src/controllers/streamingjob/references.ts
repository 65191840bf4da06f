import type { EffectiveSpec } from "../../api/effective-spec.ts";
import type { Plan } from "../../engine/plan.ts";

/** What the sources, sinks, exchanges and lookups of a plan and the storage of its state name: the kubelet mounts it into the worker's pod, nobody else reads it. */
export interface References {
  readonly secrets: readonly string[];
  readonly configMaps: readonly string[];
}

/** Fields of a configuration that name an object, wherever they are in it. */
const SECRETS = ["secretRef", "caSecretRef", "clientSecretRef"];
const CONFIG_MAPS = ["caRef"];

export function referencesOf(plan: Plan, { checkpoint }: Pick<EffectiveSpec, "checkpoint">): References {
  const lookups = plan.nodes.flatMap((node) => (node.kind === "lookup" ? [node.lookup] : []));
  const ends = [...plan.sources, ...plan.sinks, ...(plan.exchanges ?? []), ...lookups];
  const own = ends.flatMap((end) => (end.secretRef === null ? [] : [end.secretRef]));
  const named = (fields: readonly string[]): string[] => ends.flatMap((end) => namesIn(end.config, fields));
  const { secretRef } = checkpoint.storage;
  const storage = secretRef === undefined ? [] : [secretRef.name];
  return { secrets: unique([...own, ...storage, ...named(SECRETS)]), configMaps: unique(named(CONFIG_MAPS)) };
}

function namesIn(value: unknown, fields: readonly string[]): string[] {
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([field, inner]: [string, unknown]) => {
    const name = fields.includes(field) ? (inner as { name?: unknown } | null)?.name : undefined;
    return typeof name === "string" ? [name] : namesIn(inner, fields);
  });
}

const unique = (names: readonly string[]): string[] => [...new Set(names)].toSorted();
