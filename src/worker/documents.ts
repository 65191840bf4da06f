import { readFileSync } from "node:fs";
import { join } from "node:path";
import { startDocument, type StartDocument } from "../api/worker-protocol.ts";
import { PLAN_VERSION, type Plan } from "../engine/plan.ts";
import { messageOf, WeirError } from "../errors.ts";

/** Reads what the operator wrote into the epoch's ConfigMap. The plan was checked by the planner that made it. */
export function readDocuments(folder: string): { plan: Plan; start: StartDocument } {
  const plan = readJson(join(folder, "plan.json")) as Plan;
  const version: number = plan.version;
  if (version !== PLAN_VERSION) {
    throw new WeirError(
      "CONFIG_INVALID",
      `${folder}/plan.json has version ${String(version)}; this worker runs version ${String(PLAN_VERSION)}, use the operator's image`,
    );
  }
  const start = startDocument.safeParse(readJson(join(folder, "start.json")));
  if (start.success) return { plan, start: start.data };
  const issue = start.error.issues[0];
  throw new WeirError(
    "CONFIG_INVALID",
    `${folder}/start.json: ${issue?.path.join(".") ?? ""}: ${issue?.message ?? "not valid"}`,
  );
}

function readJson(path: string): unknown {
  try {
    return JSON.parse(readFileSync(path, "utf8"));
  } catch (e) {
    throw new WeirError("CONFIG_INVALID", `cannot read ${path}: ${messageOf(e)}; is the ConfigMap mounted?`, {
      cause: e,
    });
  }
}
