import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { startDocument, type StartDocument } from "../api/worker-protocol.ts";
import { PLAN_VERSION, type Plan } from "../engine/plan.ts";
import { messageOf, WeirError } from "../errors.ts";

/** A ConfigMap holds a MiB; a job that was written by hand for `weir run` may be a little more. */
const MAX_BYTES = 4 * 1024 * 1024;

/**
 * What every plan has. The inside of nodes and connectors was checked by the planner that made them; but a ConfigMap can be
 * written by others, and a worker must say what is wrong instead of failing somewhere.
 */
const named = z.array(z.looseObject({ node: z.string().min(1).max(253), connector: z.string().max(63) })).max(1_000);
const planDocument = z.looseObject({
  hash: z.string().max(128),
  maxParallelism: z.int().min(1).max(32_768),
  parameters: z.record(z.string().max(253), z.string().max(65_536)),
  sources: named.min(1, "a plan has a source"),
  sinks: named,
  nodes: z.array(z.looseObject({ name: z.string().min(1).max(253), kind: z.string().max(63) })).max(1_000),
});

/** Reads what the operator wrote into the epoch's ConfigMap. */
export function readDocuments(folder: string): { plan: Plan; start: StartDocument } {
  const plan = readJson(join(folder, "plan.json"));
  const version = typeof plan === "object" && plan !== null && "version" in plan ? plan.version : undefined;
  if (version !== PLAN_VERSION) {
    throw new WeirError(
      "CONFIG_INVALID",
      `${folder}/plan.json has version ${JSON.stringify(version)?.slice(0, 100) ?? "none"}; this worker runs version ${String(PLAN_VERSION)}, use the operator's image`,
    );
  }
  checked(planDocument, plan, `${folder}/plan.json`);
  return {
    plan: plan as Plan,
    start: checked(startDocument, readJson(join(folder, "start.json")), `${folder}/start.json`),
  };
}

function checked<S extends z.ZodType>(schema: S, value: unknown, file: string): z.infer<S> {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  throw new WeirError("CONFIG_INVALID", `${file}: ${issue?.path.join(".") ?? ""}: ${issue?.message ?? "not valid"}`);
}

function readJson(path: string): unknown {
  try {
    const { size } = statSync(path);
    if (size > MAX_BYTES) throw new Error(`it is larger than ${MAX_BYTES} bytes`);
    return JSON.parse(readFileSync(path, "utf8"));
  } catch (e) {
    throw new WeirError("CONFIG_INVALID", `cannot read ${path}: ${messageOf(e)}; is the ConfigMap mounted?`, {
      cause: e,
    });
  }
}
