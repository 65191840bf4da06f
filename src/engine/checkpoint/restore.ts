import { z } from "zod";
import { restorePoint, type RestorePoint } from "../../api/worker-protocol.ts";
import { WeirError } from "../../errors.ts";
import { checkpointIds, epochFolder, MANIFEST, originPath, slotFolder, type SlotIdentity } from "./layout.ts";
import { newestCheckpoint, type Decider } from "./newest.ts";
import { seal, unseal } from "./sealed.ts";
import { loadSavepoint } from "./savepoint.ts";
import { readDocument, type LoadedPart } from "./snapshot-reader.ts";
import type { Storage } from "./storage.ts";
import { announce, refuseReplaced } from "./succession.ts";
import type { Writing } from "../connectors/connector.ts";

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
  /** The epoch's own checkpoint was taken after the slot's cut for this savepoint. */
  readonly cut?: string | undefined;
  /** The epoch's own checkpoint was taken while the slot was about to take its part in this savepoint. */
  readonly crossing?: string | undefined;
  /** Why an older checkpoint than the newest was taken. */
  readonly fellBack: string | undefined;
}

export interface RestoreRequest {
  readonly storage: Storage;
  /** Opens a savepoint's own URI. */
  readonly openStorage: (uri: string) => Storage;
  readonly identity: SlotIdentity;
  readonly restore: RestorePoint;
  /** The sink whose system says which checkpoints count, where the job has one. */
  readonly decider?: Decider | undefined;
  /** Sinks commit what the checkpoints say, and no system decides. */
  readonly follows?: boolean;
}

const origin = z.object({ version: z.literal(1), slots: z.int(), restore: restorePoint });

/**
 * Finds the slot's state: the newest checkpoint of its own epoch (the container was restarted), else the epoch's restore
 * point. `undefined` only when the restore point says that there is none: a job with state never starts empty.
 */
export async function findState(request: RestoreRequest): Promise<RestoredState | undefined> {
  if (request.follows === true) {
    await announce(request.storage, request.identity);
    // A container that is started again although its pod was replaced.
    await refuseReplaced(request.storage, request.identity);
  }
  const own = await fromSlot(request, { epoch: request.identity.epoch, slot: request.identity.slot });
  return own ?? (await fromRestorePoint(request, request.restore));
}

/** `acceptReplay` was said for a start: a worker that restarts by itself later does not go back a second time. */
async function fromSlot(
  { storage, identity, decider, follows = false }: RestoreRequest,
  { acceptReplay = false, ...of }: Writing & { acceptReplay?: boolean },
): Promise<RestoredState | undefined> {
  const found = await newestCheckpoint({ storage, identity, decider, follows, of, acceptReplay });
  if (found === undefined) return undefined;
  const { id, part, fellBack } = found;
  const { held, paused, cut, crossing } = part.manifest;
  const said = { held, paused, cut, crossing };
  return { uri: part.uri, checkpointId: id, parts: [part], allowNonRestoredState: false, ...said, fellBack };
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
      await fenceWriters(request, parts);
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

/** Whoever took a savepoint committed all of it; but they may still be alive, and must not write any more. */
async function fenceWriters({ identity, decider }: RestoreRequest, parts: readonly LoadedPart[]): Promise<void> {
  for (const { manifest } of parts) {
    const { lineage, epoch, slot } = manifest;
    if (lineage !== identity.lineage || epoch >= identity.epoch) continue;
    await decider?.committed({ epoch, slot }, undefined);
  }
}

/** All slots' newest checkpoints of an earlier epoch. A slot without one is what that epoch itself started from. */
async function fromEpoch(
  request: RestoreRequest,
  { epoch, slots, ...allowed }: Extract<RestorePoint, { kind: "checkpoint" }>,
): Promise<RestoredState | undefined> {
  const { storage, identity } = request;
  const acceptReplay = allowed.acceptReplay === true;
  const states: RestoredState[] = [];
  for (let slot = 0; slot < slots; slot++) {
    const state =
      (await fromSlot(request, { epoch, slot, acceptReplay })) ?? (await fromOrigin(request, epoch, { slot, slots }));
    if (state !== undefined) states.push(state);
    else if (acceptReplay) await refuseEmptyStart(request, slotFolder(identity, epoch, slot));
  }
  const [first] = states;
  if (first === undefined) return undefined;
  return {
    uri: `${storage.uri}/${epochFolder(identity, epoch)}`,
    checkpointId: first.checkpointId,
    parts: states.flatMap((s) => s.parts),
    held: false,
    allowNonRestoredState: allowed.allowNonRestoredState === true || states.some((s) => s.allowNonRestoredState),
    fellBack: states.find((s) => s.fellBack !== undefined)?.fellBack,
  };
}

/** To go back as far as the beginning is to start empty, which is another word of the user's. */
async function refuseEmptyStart({ storage }: RestoreRequest, folder: string): Promise<void> {
  for (const id of checkpointIds(await storage.list(folder))) {
    if (!(await storage.list(`${folder}/${id}`)).includes(MANIFEST)) continue;
    throw new WeirError(
      "CHECKPOINT_CORRUPT",
      `${storage.uri}/${folder} has no whole checkpoint, and there is nothing before it; start from a savepoint, or set spec.startFrom.acceptEmptyState to a new value to start empty`,
    );
  }
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
