import { z } from "zod";
import { WeirError } from "../../errors.ts";
import { checkpointsFolder, EPOCH, slotFolder, type SlotIdentity } from "./layout.ts";
import { seal, unseal } from "./sealed.ts";
import { readDocument } from "./snapshot-reader.ts";
import type { Storage } from "./storage.ts";

/**
 * How a worker that follows another one shuts it out where no sink's system does: both write, then look. A worker says that
 * it is there before it looks for checkpoints; the one before it looks for successors after it wrote a manifest and before
 * it commits. So either the old one sees that it was replaced, or the new one goes on from that very manifest and
 * makes the same commits. Where a sink's system decides, a new epoch has it shut out whoever has said so before it looked:
 * who says so later finds that epoch before it has read anything.
 */
const SUCCESSOR = /^a([0-9]+)$/;

/** Before anything is read: who looks for successors from now on finds this worker. */
export async function announce(storage: Storage, identity: SlotIdentity): Promise<void> {
  await storage.create(`${slotFolder(identity)}/a${identity.attempt}`, Buffer.from("{}\n"));
}

/** After the manifest, before the commits. Throws WORKER_REFUSED where somebody has followed. */
export async function refuseReplaced(storage: Storage, identity: SlotIdentity): Promise<void> {
  const { epoch, slot, attempt } = identity;
  const newest = async (folder: string, of: RegExp): Promise<number> =>
    Math.max(-1, ...(await storage.list(folder)).map((name) => Number(of.exec(name)?.[1] ?? -1)));
  const [newestEpoch, newestAttempt] = await Promise.all([
    newest(checkpointsFolder(identity), EPOCH),
    newest(slotFolder(identity), SUCCESSOR),
  ]);
  if (newestEpoch <= epoch && newestAttempt <= attempt) return;
  const follower = newestEpoch > epoch ? `epoch ${newestEpoch}` : `attempt ${newestAttempt}`;
  const text = `${follower} has followed this worker, attempt ${attempt} of slot ${slot} in epoch ${epoch}: it was replaced, commits nothing and must not go on`;
  throw new WeirError("WORKER_REFUSED", text);
}

const finalSchema = z.object({ version: z.literal(1), id: z.int().min(0) });
const finalPath = (of: SlotIdentity, epoch: number, slot: number): string =>
  `${slotFolder(of, epoch, slot)}/final.json`;

/**
 * The last checkpoint of an earlier epoch's slot that counts, 0 for none. Several workers of a new epoch read the same slot:
 * the first one's choice holds for all of them, whatever somebody of the old epoch still writes.
 */
export async function finalCheckpoint(
  storage: Storage,
  { identity, epoch, slot }: { identity: SlotIdentity; epoch: number; slot: number },
  choose: () => Promise<number>,
): Promise<number> {
  const path = finalPath(identity, epoch, slot);
  const known = await readDocument(storage, path);
  if (known !== undefined) return unseal(known, finalSchema, `${storage.uri}/${path}`).id;
  const id = await choose();
  if (await storage.create(path, seal({ version: 1, id }))) return id;
  const theirs = await readDocument(storage, path);
  if (theirs === undefined) throw new WeirError("CHECKPOINT_UNWRITABLE", `${storage.uri}/${path} has gone`);
  return unseal(theirs, finalSchema, `${storage.uri}/${path}`).id;
}
