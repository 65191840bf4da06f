import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { WORK_CORE } from "./peers/peer.ts";

/**
 * J: `JSON.parse` of each record of an input from one buffer, two fields read, in records per CPU second. In a process of
 * its own, because it must not share a heap or compiled code with anything else.
 */
export async function calibration(topic: string): Promise<number> {
  const program = join(import.meta.dirname, "calibration-process.ts");
  const args = ["-c", String(WORK_CORE), process.execPath, program, topic];
  return Number((await promisify(execFile)("taskset", args)).stdout);
}
