import { z } from "zod";
import { restorePoint, type RestorePoint } from "../../api/worker-protocol.ts";
import { WeirError } from "../../errors.ts";
import {
  checkpointIds,
  COMPLETED,
  epochFolder,
  MANIFEST,
  originPath,
  slotFolder,
  type SlotIdentity,
} from "./layout.ts";
import { seal, unseal } from "./sealed.ts";
import { loadSavepoint } from "./savepoint.ts";
import { loadPart, readDocument, readManifest, type LoadedPart } from "./snapshot-reader.ts";
import type { Storage } from "./storage.ts";

/** What a slot starts from: parts of one snapshot, already cut down to the slot's own shards, and verified. */
export interface RestoredState {
  readonly uri: string;
  /** Set for a checkpoint, not for a savepoint. */
  readonly checkpointId: number | undefined;
  readonly parts: readonly LoadedPart[];
  readonly allowNonRestoredState: boolean;
  /** The epoch's own checkpoint was taken while a savepoint held the sources. */
  readonly held: boolean;
  /** What the epoch's own checkpoint says of the user's pause; `undefined` goes by how the epoch was launched. */
  readonly paused?: boolean | undefined;
  /** Why an older checkpoint than the newest was taken. */
  readonly fellBack: string | undefined;
}

export interface RestoreRequest {
  readonly storage: Storage;
  /** Opens a savepoint's own URI. */
  readonly openStorage: (uri: string) => Storage;
  readonly identity: SlotIdentity;
  readonly restore: RestorePoint;
}

const origin = z.object({ version: z.literal(1), slots: z.int(), restore: restorePoint });

/**
 * Finds the slot's state: the newest checkpoint of its own epoch (the container was restarted), else the epoch's restore
 * point. `undefined` only when the restore point says that there is none: a job with state never starts empty.
 */
export async function findState(request: RestoreRequest): Promise<RestoredState | undefined> {
  const { storage, identity } = request;
  const own = await newestCheckpoint(
    storage,
    slotFolder(identity),
    (shard) => shard % identity.slots === identity.slot,
  );
  if (own !== undefined) return own;
  return await fromRestorePoint(request, request.restore);
}

/** Records where this epoch came from, for a later epoch that finds a slot without a checkpoint. */
export async function recordOrigin({ storage, identity, restore }: RestoreRequest): Promise<void> {
  await storage.create(originPath(identity), seal({ version: 1, slots: identity.slots, restore }));
}

async function fromRestorePoint(request: RestoreRequest, restore: RestorePoint): Promise<RestoredState | undefined> {
  const { identity } = request;
  const mine = (shard: number): boolean => shard % identity.slots === identity.slot;
  switch (restore.kind) {
    case "none":
      return undefined;
    case "savepoint": {
      const parts = await loadSavepoint(request.openStorage(restore.uri), mine);
      const { allowNonRestoredState } = restore;
      return {
        uri: restore.uri,
        checkpointId: undefined,
        parts,
        allowNonRestoredState,
        held: false,
        fellBack: undefined,
      };
    }
    case "checkpoint":
      return await fromEpoch(request, restore);
  }
}

/** All slots' newest checkpoints of an earlier epoch. A slot without one is what that epoch itself started from. */
async function fromEpoch(
  request: RestoreRequest,
  { epoch, slots }: { epoch: number; slots: number },
): Promise<RestoredState | undefined> {
  const { storage, identity } = request;
  const states: RestoredState[] = [];
  for (let slot = 0; slot < slots; slot++) {
    const state =
      (await newestCheckpoint(
        storage,
        slotFolder(identity, epoch, slot),
        (s) => s % identity.slots === identity.slot,
      )) ?? (await fromOrigin(request, epoch, { slot, slots }));
    if (state !== undefined) states.push(state);
  }
  const [first] = states;
  if (first === undefined) return undefined;
  return {
    uri: `${storage.uri}/${epochFolder(identity, epoch)}`,
    checkpointId: first.checkpointId,
    parts: states.flatMap((s) => s.parts),
    held: false,
    allowNonRestoredState: states.some((s) => s.allowNonRestoredState),
    fellBack: states.find((s) => s.fellBack !== undefined)?.fellBack,
  };
}

async function fromOrigin(
  request: RestoreRequest,
  epoch: number,
  owner: { slot: number; slots: number },
): Promise<RestoredState | undefined> {
  const { storage, identity } = request;
  const path = originPath(identity, epoch);
  const bytes = await readDocument(storage, path);
  if (bytes === undefined) {
    const folder = `${storage.uri}/${epochFolder(identity, epoch)}`;
    throw new WeirError(
      "CHECKPOINT_CORRUPT",
      `${folder} has neither a checkpoint of slot ${owner.slot} nor origin.json; it is not empty by itself, so nothing is started from it`,
    );
  }
  const { restore } = unseal(bytes, origin, `${storage.uri}/${path}`);
  const state = await fromRestorePoint(request, restore);
  return state === undefined ? undefined : { ...state, parts: state.parts.map((part) => ownedBy(part, owner)) };
}

/** Of a part, what slot `slot` of `slots` would have restored from it. */
function ownedBy(part: LoadedPart, { slot, slots }: { slot: number; slots: number }): LoadedPart {
  const owned = (index: number): boolean => index % slots === slot;
  const sources = part.manifest.sources.map((s) => ({ ...s, splits: s.splits.filter((x) => owned(x.index)) }));
  const shards = new Map(
    [...part.shards].map(([node, all]) => [node, new Map([...all].filter(([shard]) => owned(shard)))] as const),
  );
  return { ...part, manifest: { ...part.manifest, sources }, shards };
}

/**
 * The newest whole checkpoint of a slot. A damaged one is passed over only while no sink has commits: an at-least-once
 * job may deliver again what came after the older one, an exactly-once job may not, and waits for its user.
 */
async function newestCheckpoint(
  storage: Storage,
  folder: string,
  mine: (shard: number) => boolean,
): Promise<RestoredState | undefined> {
  let damage: WeirError | undefined;
  for (const id of checkpointIds(await storage.list(folder))) {
    const found = await readCheckpoint(storage, `${folder}/${id}`, mine);
    if (found instanceof WeirError) damage ??= found;
    if (found === undefined || found instanceof WeirError) continue;
    if (damage !== undefined && found.manifest.sinks.length > 0) {
      throw unusable(damage, `output was committed after the older checkpoint ${id}`);
    }
    const fellBack = damage === undefined ? undefined : `${damage.message}; went back to checkpoint ${id}`;
    const { held, paused } = found.manifest;
    return { uri: found.uri, checkpointId: id, parts: [found], allowNonRestoredState: false, held, paused, fellBack };
  }
  if (damage !== undefined) throw unusable(damage, "there is no older checkpoint");
  return undefined;
}

function unusable(damage: WeirError, why: string): WeirError {
  const text = `${damage.message}; ${why}. Start from a savepoint, or accept the replay`;
  return new WeirError("CHECKPOINT_CORRUPT", text, { cause: damage });
}

/** The part, `undefined` for a checkpoint that was never finished, or the damage. */
async function readCheckpoint(
  storage: Storage,
  folder: string,
  mine: (shard: number) => boolean,
): Promise<LoadedPart | WeirError | undefined> {
  try {
    const found = await readManifest(storage, folder);
    if (found !== undefined) return await loadPart(storage, folder, found.manifest, mine);
    if (!(await storage.list(folder)).includes(COMPLETED)) return undefined;
    return new WeirError("CHECKPOINT_CORRUPT", `${storage.uri}/${folder}/${MANIFEST} is missing`);
  } catch (e) {
    if (e instanceof WeirError && e.code === "CHECKPOINT_CORRUPT") return e;
    throw e;
  }
}
