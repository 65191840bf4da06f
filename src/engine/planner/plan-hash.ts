import { createHash } from "node:crypto";
import { canonicalJson } from "../canonical-json.ts";

export function planHash(plan: object): string {
  return createHash("sha256").update(canonicalJson(plan)).digest("hex");
}
