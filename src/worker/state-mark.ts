import { createHash } from "node:crypto";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import type { StartDocument } from "../api/worker-protocol.ts";

/**
 * Remembers in the pod, apart from the job's storage, that this worker has completed a checkpoint: a restarted container that
 * finds an empty storage then knows that state is gone, and that it is not the first to start.
 */
export interface StateMark {
  readonly set: boolean;
  mark(): void;
}

export function stateMark(start: StartDocument, slot: number, resolvePath: (path: string) => string): StateMark {
  // State in memory ends with the process, as everybody knows who asked for it.
  if (start.checkpoint.uri.startsWith("memory:")) return { set: false, mark: () => undefined };
  const { jobUid, lineage, epoch, checkpoint } = start;
  const whose = createHash("sha256").update(JSON.stringify([jobUid, lineage, epoch, slot, checkpoint.uri]));
  const file = resolvePath(`/tmp/weir-state-${whose.digest("hex").slice(0, 16)}`);
  let known = existsSync(file);
  return {
    set: known,
    mark: () => {
      if (known) return;
      try {
        mkdirSync(dirname(file), { recursive: true });
        writeFileSync(file, "");
        known = true;
      } catch {
        // A pod without a writable /tmp goes without.
      }
    },
  };
}
