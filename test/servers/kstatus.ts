import { lineAnswers } from "./line-answers.ts";
import { toolBinary } from "./tools.ts";

export interface KStatus {
  readonly status: "Current" | "InProgress" | "Failed" | "Terminating" | "NotFound" | "Unknown";
  readonly message: string;
}

/** What Flux's library makes of these objects. */
export async function kstatusOf(objects: readonly object[]): Promise<KStatus[]> {
  return lineAnswers<KStatus>({ command: await toolBinary("kstatus") }, objects);
}
