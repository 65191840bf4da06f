import { WeirError } from "../../errors.ts";
import type { PlanNode } from "../plan.ts";
import type { ProgramOptions } from "../program.ts";
import type { LoadedFunction } from "./loaded-function.ts";
import { titleOf } from "./loaded-function.ts";

export type RecordProcessNode = Extract<PlanNode, { kind: "process" }>;
export type KeyedProcessNode = Extract<PlanNode, { kind: "keyedProcess" }>;

/** What a node runs, as it was loaded before the program was made. */
export function functionOf(node: RecordProcessNode | KeyedProcessNode, options: ProgramOptions): LoadedFunction {
  const fn = options.functions?.get(node.function.name);
  if (fn === undefined) throw new WeirError("INTERNAL", `node "${node.name}": ${titleOf(node.function)} is not loaded`);
  if (fn.onTimer !== undefined && node.kind === "process")
    throw new WeirError(
      "FUNCTION_INVALID",
      `node "${node.name}": ${titleOf(node.function)} has onTimer; add keyBy to the node`,
    );
  return fn;
}
