import { checkpointsNeeded } from "./increments.ts";
import { checkpointIds, checkpointsFolder, EPOCH, epochFolder, slotFolder, type SlotIdentity } from "./layout.ts";
import type { Manifest } from "./manifest.ts";
import { isCompleted } from "./newest.ts";
import { readManifest } from "./snapshot-reader.ts";
import type { Storage } from "./storage.ts";

/** Knows which checkpoints of a slot are needed and removes the others. */
export interface Retention {
  /** Number for the next checkpoint: never one that was used, finished or not. */
  nextId(): number;
  /**
   * A checkpoint is complete: what only older ones needed goes, also what failed ones left. True in the one slot and the one
   * moment in which nothing of an earlier epoch is needed any more.
   */
  completed(id: number, manifest: Manifest): Promise<boolean>;
}

interface Kept {
  readonly id: number;
  /** Checkpoints whose files its segments point into. */
  readonly needs: readonly number[];
}

/**
 * Looks at what is there. What an earlier process began and never finished goes with the first own checkpoint: until then
 * that process may be alive and about to finish it.
 */
export async function openRetention(storage: Storage, identity: SlotIdentity, retain: number): Promise<Retention> {
  const folder = slotFolder(identity);
  const ids = checkpointIds(await storage.list(folder));
  let kept: Kept[] = [];
  for (const id of ids) {
    const found = await readManifest(storage, `${folder}/${id}`).catch(() => "damaged" as const);
    if (found !== undefined) kept.push({ id, needs: found === "damaged" ? [] : checkpointsNeeded(found.manifest) });
  }
  let next = (ids[0] ?? 0) + 1;
  let olderEpochs = true;

  return {
    nextId: () => next++,
    completed: async (id, manifest) => {
      kept = [{ id, needs: checkpointsNeeded(manifest) }, ...kept];
      const newest = kept.slice(0, Math.max(1, retain));
      const needed = new Set(newest.flatMap((k) => [k.id, ...k.needs]));
      for (const old of checkpointIds(await storage.list(folder))) {
        if (old < id && !needed.has(old)) await storage.remove(`${folder}/${old}`);
      }
      kept = kept.filter((k) => needed.has(k.id));
      if (!olderEpochs) return false;
      olderEpochs = !(await removeOlderEpochs(storage, identity));
      return !olderEpochs && identity.slot === 0;
    },
  };
}

/** Earlier epochs are needed until every slot of this one can stand on its own; slot 0 cleans up for all. */
async function removeOlderEpochs(storage: Storage, identity: SlotIdentity): Promise<boolean> {
  if (identity.slot !== 0) return true;
  for (let slot = 0; slot < identity.slots; slot++) {
    const folder = slotFolder(identity, identity.epoch, slot);
    const finished = await firstFinished(storage, folder, checkpointIds(await storage.list(folder)));
    if (finished === undefined) return false;
  }
  for (const name of await storage.list(checkpointsFolder(identity))) {
    const epoch = EPOCH.exec(name)?.[1];
    if (epoch !== undefined && Number(epoch) < identity.epoch) {
      await storage.remove(epochFolder(identity, Number(epoch)));
    }
  }
  return true;
}

async function firstFinished(storage: Storage, folder: string, ids: readonly number[]): Promise<number | undefined> {
  for (const id of ids) {
    const found = await readManifest(storage, `${folder}/${id}`);
    if (found === undefined) continue;
    // Until the commits after a manifest are made, its slot may have to start from where the epoch came from.
    if (found.manifest.sinks.length === 0 || (await isCompleted(storage, `${folder}/${id}`))) return id;
  }
  return undefined;
}
