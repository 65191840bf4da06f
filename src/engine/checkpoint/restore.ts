import { z } from "zod";
import { restorePoint, type RestorePoint } from "../../api/worker-protocol.ts";
import { WeirError } from "../../errors.ts";
import {
  checkpointIds,
  checkpointsFolder,
  EPOCH,
  epochFolder,
  MANIFEST,
  originPath,
  SLOT,
  slotFolder,
  type SlotIdentity,
} from "./layout.ts";
import { markedCheckpoint, newestCheckpoint, wantedBy, type Decider } from "./newest.ts";
import { seal, unseal } from "./sealed.ts";
import { loadSavepoint } from "./savepoint.ts";
import { readDocument, type LoadedPart } from "./snapshot-reader.ts";
import type { Storage } from "./storage.ts";
import { isBySplit } from "../windows/cells.ts";
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
  /** Nodes that find keys by their hash, which may have kept them by split. */
  readonly hashed?: ReadonlySet<string>;
}

const origin = z.object({ version: z.literal(1), slots: z.int(), restore: restorePoint });

/**
 * Finds the slot's state: the newest checkpoint of its own epoch (the container was restarted), else the epoch's restore
 * point. `undefined` only when the restore point says that there is none: a job with state never starts empty.
 */
export async function findState(request: RestoreRequest): Promise<RestoredState | undefined> {
  const { storage, identity, decider, follows, restore } = request;
  if (follows === true || decider !== undefined) {
    // A decider's system shuts out whoever left something here: also who is still about to restore must be seen.
    await announce(storage, identity);
    // A container that is started again although its pod was replaced.
    await refuseReplaced(storage, identity);
  }
  const own = await fromSlot(request, { epoch: identity.epoch, slot: identity.slot });
  if (own !== undefined) return own;
  await fenceEarlier(request);
  return await fromRestorePoint(request, restore, identity.epoch);
}

/**
 * Workers of earlier epochs may be alive on a node that nobody hears of, also such as began after the place that is restored
 * now: what they have not committed yet they never shall.
 */
async function fenceEarlier(request: RestoreRequest): Promise<void> {
  const { storage, identity, decider, restore } = request;
  if (decider === undefined) return;
  // Whoever looks for a checkpoint of theirs shuts them out.
  const asked = restore.kind === "checkpoint" && restore.since === undefined ? restore.epoch : undefined;
  for (const epoch of await epochsBefore(request, identity.epoch)) {
    if (epoch === asked) continue;
    const slots = await slotsOf(request, epoch);
    for (let slot = 0; slot < slots; slot++) {
      const of = { epoch, slot };
      await decider.committed(of, await markedCheckpoint({ storage, identity, of }));
    }
  }
}

/** How many slots an epoch had, also where what it wrote down cannot be read: a savepoint is a way out of any damage. */
async function slotsOf(request: RestoreRequest, epoch: number): Promise<number> {
  const { storage, identity } = request;
  const found = await originOf(request, epoch).catch(() => undefined);
  const names = await storage.list(epochFolder(identity, epoch));
  return Math.max(found?.slots ?? 0, ...names.map((name) => Number(SLOT.exec(name)?.[1] ?? -1) + 1));
}

/** Epochs that have left something in this storage, the newest first. */
async function epochsBefore({ storage, identity }: RestoreRequest, epoch: number): Promise<number[]> {
  const names = await storage.list(checkpointsFolder(identity));
  return names
    .map((name) => Number(EPOCH.exec(name)?.[1] ?? Infinity))
    .filter((found) => found < epoch)
    .toSorted((a, b) => b - a);
}

/** `acceptReplay` was said for a start: a worker that restarts by itself later does not go back a second time. */
async function fromSlot(
  { storage, identity, decider, hashed, follows = false }: RestoreRequest,
  { acceptReplay = false, ...of }: Writing & { acceptReplay?: boolean },
): Promise<RestoredState | undefined> {
  const found = await newestCheckpoint({ storage, identity, decider, hashed, follows, of, acceptReplay });
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

/** `before`: the epoch that starts, or started, from there. */
async function fromRestorePoint(
  request: RestoreRequest,
  restore: RestorePoint,
  before: number,
): Promise<RestoredState | undefined> {
  const gone = await goneOnSince(request, restore, before);
  if (gone !== undefined) return await fromEpoch(request, gone);
  switch (restore.kind) {
    case "none":
      return undefined;
    case "savepoint": {
      const parts = await loadSavepoint(request.openStorage(restore.uri), wantedBy(request));
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

/** The newest epoch that went on from this place, where the operator could not tell whether one has. */
async function goneOnSince(
  request: RestoreRequest,
  { since = Infinity, ...restore }: RestorePoint,
  before: number,
): Promise<Extract<RestorePoint, { kind: "checkpoint" }> | undefined> {
  const epochs = since < before ? await epochsBefore(request, before) : [];
  for (const epoch of epochs.filter((e) => e >= since)) {
    const found = await originOf(request, epoch);
    if (found === undefined) continue;
    const allowed = {
      ...(restore.acceptReplay === true ? { acceptReplay: true as const } : {}),
      ...("allowNonRestoredState" in restore && restore.allowNonRestoredState === true
        ? { allowNonRestoredState: true as const }
        : {}),
    };
    return { kind: "checkpoint", epoch, slots: found.slots, ...allowed };
  }
  return undefined;
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
  const own: (RestoredState | undefined)[] = [];
  for (let slot = 0; slot < slots; slot++) own.push(await fromSlot(request, { epoch, slot, acceptReplay }));
  const states = own.filter((state) => state !== undefined);
  const missing = new Set(own.keys().filter((slot) => own[slot] === undefined));
  if (missing.size > 0) {
    const state = await fromOrigin(request, epoch, { missing, slots, byHash: hashedIn(states) });
    if (state !== undefined) states.push(state);
    else if (acceptReplay)
      for (const slot of missing) await refuseEmptyStart(request, slotFolder(identity, epoch, slot));
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

/** Once for all slots that need it: behind it may lie many epochs that came no further. */
async function fromOrigin(request: RestoreRequest, epoch: number, owners: Owners): Promise<RestoredState | undefined> {
  const { storage, identity } = request;
  const found = await originOf(request, epoch);
  if (found === undefined) {
    const folder = `${storage.uri}/${epochFolder(identity, epoch)}`;
    throw new WeirError(
      "CHECKPOINT_CORRUPT",
      `${folder} has neither a checkpoint of slot ${[...owners.missing].join(", ")} nor origin.json; it is not empty by itself, so nothing is started from it`,
    );
  }
  const state = await fromRestorePoint(request, found.restore, epoch);
  return state === undefined ? undefined : { ...state, parts: state.parts.map((part) => ownedBy(part, owners)) };
}

/** What an epoch's first worker wrote down. */
async function originOf(
  { storage, identity }: RestoreRequest,
  epoch: number,
): Promise<z.infer<typeof origin> | undefined> {
  const path = originPath(identity, epoch);
  const bytes = await readDocument(storage, path);
  return bytes === undefined ? undefined : unseal(bytes, origin, `${storage.uri}/${path}`);
}

interface Owners {
  /** Slots that have no checkpoint of their own. */
  readonly missing: ReadonlySet<number>;
  /** Of so many. */
  readonly slots: number;
  /** Nodes that its epoch found keys of by their hash. */
  readonly byHash: ReadonlySet<string>;
}

/** Where none of an epoch has a checkpoint, nothing of it shows how it shared its keys out, and it makes no difference. */
const hashedIn = (states: readonly RestoredState[]): ReadonlySet<string> =>
  new Set(
    states
      .flatMap((state) => state.parts)
      .flatMap(({ manifest }) => manifest.keyed)
      .filter(({ stateSignature }) => !isBySplit(stateSignature))
      .map(({ node }) => node),
  );

/** Of a part, what these slots would have restored from it. */
function ownedBy(part: LoadedPart, { missing, slots, byHash }: Owners): LoadedPart {
  const owned = (index: number): boolean => missing.has(index % slots);
  const sources = part.manifest.sources.map((s) => ({ ...s, splits: s.splits.filter((x) => owned(x.index)) }));
  const shards = new Map(
    [...part.shards].map(([node, all]) => [node, new Map([...all].filter(([shard]) => owned(shard)))] as const),
  );
  const bySplit = new Map(
    [...part.bySplit].map(([node, saved]) => {
      const { within = () => true } = saved;
      const own = byHash.has(node)
        ? { within: (shard: number) => owned(shard) && within(shard) }
        : { shards: saved.shards.filter(({ shard }) => owned(shard)) };
      return [node, { ...saved, ...own }] as const;
    }),
  );
  return { ...part, manifest: { ...part.manifest, sources }, shards, bySplit };
}
