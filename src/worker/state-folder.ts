import { readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { STATE_FOLDER, type StartDocument } from "../api/worker-protocol.ts";

interface Place {
  readonly epoch: number;
  readonly slot: number;
  readonly attempt: number;
}

/**
 * This worker's own folder for the files of state. Workers may share a volume there, also with one that a lost node has not
 * ended: none may write among the files of another. What those before it have left is removed.
 */
export function stateFolder(
  { jobUid, epoch }: Pick<StartDocument, "jobUid" | "epoch">,
  { slot, attempt }: Pick<Place, "slot" | "attempt">,
  resolvePath: (path: string) => string,
): string {
  const ofJob = join(resolvePath(STATE_FOLDER), jobUid.replaceAll(/[^0-9A-Za-z-]/g, "-"));
  for (const folder of foldersIn(ofJob)) if (isBefore(folder, { epoch, slot, attempt })) remove(join(ofJob, folder));
  return join(ofJob, `${epoch}-${slot}-${attempt}`);
}

function foldersIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

/** Of an earlier epoch, or of this slot before. */
function isBefore(folder: string, own: Place): boolean {
  const [, epoch, slot, attempt] = (/^(\d+)-(\d+)-(\d+)$/.exec(folder) ?? []).map(Number);
  if (epoch === undefined || slot === undefined || attempt === undefined) return false;
  return epoch < own.epoch || (epoch === own.epoch && slot === own.slot && attempt < own.attempt);
}

function remove(folder: string): void {
  try {
    rmSync(folder, { recursive: true, force: true });
  } catch {
    // Another worker removes it, too, or its owner still writes: it costs room, and the next to start tries again.
  }
}
