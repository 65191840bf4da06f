import type { Row } from "../protocol.ts";
import type { Figure } from "../table.ts";

/** Peak resident memory of the worker of W3, from its row. */
export function workerMemory(rows: readonly Row[]): Figure[] {
  const side = rows.find(({ workload }) => workload.name === "W3")?.sides[0];
  if (side === undefined || typeof side === "string") return [];
  return [["worker memory for W3, peak", `${side.peakMiB.toFixed(0)} MiB`, "150 MiB"]];
}
