import type { PlanSource } from "../plan.ts";
import { plainPath, samePath } from "./field-path.ts";
import type { Variable } from "./field-path.ts";

/**
 * ENGINE.md, Flow 6: where a keyed node's key is still the field that its source is partitioned by, the shard is the
 * source's split and workers can share the keys. Each stream carries where its declared key is now, or why it has none.
 */
export type Declared =
  { readonly path: readonly string[]; readonly origin: string } | { readonly path: undefined; readonly why: string };

export interface Keying {
  readonly mode: "declared" | "local";
  /** Why the key is not the declared one. */
  readonly why: string;
}

export const none = (why: string): Declared => ({ path: undefined, why });

/** Whether a key is the declared one of what it is read from. */
export function keyingOf(keyBy: string, input: Declared, variable: Variable = "event"): Keying {
  if (input.path === undefined) return { mode: "local", why: input.why };
  const path = plainPath(keyBy, variable);
  if (path !== undefined && samePath(path, input.path)) return { mode: "declared", why: "" };
  return { mode: "local", why: `the declared key is ${variable}.${input.path.join(".")}, not ${keyBy}` };
}

/** Only a datagen says its number of splits in the plan, and its keys are dealt to splits by number in the same way. */
export function equalSplits(a: PlanSource | undefined, b: PlanSource | undefined): boolean {
  if (a === undefined || b === undefined) return false;
  if (a.node === b.node) return true;
  const splits = (s: PlanSource): unknown => (s.config as { splits?: unknown }).splits;
  return a.connector === "datagen" && b.connector === "datagen" && splits(a) === splits(b);
}
