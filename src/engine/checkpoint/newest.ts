import { WeirError } from "../../errors.ts";
import type { Writing } from "../connectors/connector.ts";
import { checkpointIds, COMPLETED, MANIFEST, slotFolder, type SlotIdentity } from "./layout.ts";
import type { Manifest } from "./manifest.ts";
import { loadPart, readManifest, type LoadedPart, type Wanted } from "./snapshot-reader.ts";
import type { Storage } from "./storage.ts";
import { finalCheckpoint } from "./succession.ts";

/** The sink whose system says which checkpoint counts: `SinkWriter.committed`. */
export interface Decider {
  readonly node: string;
  committed(of: Writing, marked: number | undefined): Promise<number | undefined>;
}

export interface NewestRequest {
  readonly storage: Storage;
  readonly identity: SlotIdentity;
  readonly decider: Decider | undefined;
  /** Whose checkpoint; the slot's own, or one of an earlier epoch. */
  readonly of: Writing;
  /** The user allows to go back behind what was committed. */
  readonly acceptReplay: boolean;
  /** Sinks commit what the checkpoints say, and no system decides. */
  readonly follows?: boolean;
  /** As `Wanted` has it. */
  readonly hashed?: ReadonlySet<string> | undefined;
}

export interface FoundCheckpoint {
  readonly id: number;
  readonly part: LoadedPart;
  /** Why an older checkpoint than the newest was taken. */
  readonly fellBack: string | undefined;
}

type Seen = { readonly id: number } & (
  | { readonly kind: "whole"; readonly part: LoadedPart; readonly completed: boolean }
  | { readonly kind: "damaged"; readonly damage: WeirError; readonly completed: boolean }
);

/**
 * The checkpoint to go on from. Where a sink's system decides, it is the one that was committed there, whatever lies
 * beside it: a newer one was never committed, and its output was undone. `undefined` where the slot left none that counts.
 */
export async function newestCheckpoint(request: NewestRequest): Promise<FoundCheckpoint | undefined> {
  const marked = await markedCheckpoint(request);
  const committed = (await request.decider?.committed(request.of, marked)) ?? (await final(request));
  if (committed === undefined) return await byMarks(request);
  return committed === 0 ? undefined : await exactly(request, committed);
}

/** What the workers of this epoch have agreed on, where only the checkpoints of an earlier one say what counts. */
async function final(request: NewestRequest): Promise<number | undefined> {
  const { storage, identity, of } = request;
  if (request.follows !== true || request.acceptReplay || of.epoch === identity.epoch) return undefined;
  return await finalCheckpoint(storage, { identity, ...of }, async () => (await byMarks(request))?.id ?? 0);
}

/** What the marks of the checkpoints say was committed last; `undefined` where they cannot tell. */
export async function markedCheckpoint({
  storage,
  identity,
  of,
}: Pick<NewestRequest, "storage" | "identity" | "of">): Promise<number | undefined> {
  const folder = slotFolder(identity, of.epoch, of.slot);
  for (const id of checkpointIds(await storage.list(folder))) {
    if (await isCompleted(storage, `${folder}/${id}`)) return id;
    const manifest = await readManifest(storage, `${folder}/${id}`).catch(() => "damaged" as const);
    if (manifest !== undefined) return undefined;
  }
  return 0;
}

async function exactly(request: NewestRequest, committed: number): Promise<FoundCheckpoint | undefined> {
  const { storage, identity, of } = request;
  const folder = `${slotFolder(identity, of.epoch, of.slot)}/${committed}`;
  const found = await look(storage, folder, { id: committed, wanted: wantedBy(request) });
  if (found?.kind === "whole") return { id: committed, part: ownPart(found, request), fellBack: undefined };
  const damage =
    found?.damage ?? new WeirError("CHECKPOINT_CORRUPT", `${storage.uri}/${folder}/${MANIFEST} is missing`);
  if (!request.acceptReplay) refuse(damage, "its output was committed");
  return await byMarks(request, { below: committed, damage });
}

/**
 * The newest whole checkpoint. A damaged one is passed over only while no sink has commits: an at-least-once job may
 * deliver again what came after the older one, an exactly-once job may not, and waits for its user.
 */
async function byMarks(
  request: NewestRequest,
  { below, damage: known }: { below: number; damage?: WeirError } = { below: Infinity },
): Promise<FoundCheckpoint | undefined> {
  const { storage, identity, of, acceptReplay } = request;
  const folder = slotFolder(identity, of.epoch, of.slot);
  let damage = known;
  const ids = checkpointIds(await storage.list(folder)).filter((n) => n < below);
  for (const [i, id] of ids.entries()) {
    const seen = await look(storage, `${folder}/${id}`, { id, wanted: wantedBy(request) });
    if (seen === undefined || (await isOvertaken(request, seen, ids.slice(i + 1)))) continue;
    const trouble = troubleWith(seen, acceptReplay);
    if (seen.kind === "damaged" || trouble !== undefined) {
      damage ??= trouble;
      continue;
    }
    const committing = seen.part.manifest.sinks.length > 0;
    if (committing && !acceptReplay) refuse(damage, `output was committed after the older checkpoint ${id}`);
    const fellBack = damage === undefined ? undefined : `${damage.message}; went back to checkpoint ${id}`;
    return { id, part: ownPart(seen, request), fellBack };
  }
  if (!acceptReplay) refuse(damage, "there is no older checkpoint");
  return undefined;
}

/** Written by a worker that had been replaced when it wrote it: its successor has an older checkpoint, which counts. */
async function isOvertaken({ storage, identity, of, follows }: NewestRequest, seen: Seen, older: readonly number[]) {
  if (follows !== true || seen.kind === "damaged") return false;
  for (const id of older) {
    const folder = `${slotFolder(identity, of.epoch, of.slot)}/${id}`;
    const before = await readManifest(storage, folder).catch(() => undefined);
    if (before !== undefined) return before.manifest.attempt > seen.part.manifest.attempt;
  }
  return false;
}

/** Says with it whether its commits may be missing. */
function ownPart({ completed, part }: Seen & { kind: "whole" }, { identity, of }: NewestRequest): LoadedPart {
  if (completed || part.manifest.sinks.length === 0) return part;
  return { ...part, unfinished: `${slotFolder(identity, of.epoch, of.slot)}/${part.manifest.id}` };
}

/** Why a checkpoint is passed over; throws where only the user may say so. */
function troubleWith(seen: Seen, acceptReplay: boolean): WeirError | undefined {
  if (seen.kind === "damaged") return seen.damage;
  const { sinks } = seen.part.manifest;
  if (seen.completed || sinks.length === 0) return undefined;
  // Commits that follow the checkpoint can be made now; only the user knows that one of them never can be.
  if (acceptReplay) return undecided(seen.part);
  if (sinks.some((s) => s.decides === true)) throw undecided(seen.part);
  return undefined;
}

function refuse(damage: WeirError | undefined, why: string): void {
  if (damage === undefined) return;
  throw new WeirError("CHECKPOINT_CORRUPT", `${damage.message}; ${why}. ${WAYS_OUT}`, { cause: damage });
}

export const WAYS_OUT =
  "Start from a savepoint, or set spec.startFrom.acceptReplay to a new value and start the job: then output is written again";

/** The checkpoint may count or not, and what knew it has forgotten or is no longer a sink of the job. */
function undecided({ uri, manifest }: LoadedPart): WeirError {
  const transactions = manifest.sinks.map(transactionOf);
  return new WeirError(
    "DELIVERY_AT_RISK",
    `nobody knows whether the output of ${uri} was committed: ${transactions.join(", ")}. ` +
      `If a sink was changed, change it back. ${WAYS_OUT}`,
  );
}

export function transactionOf({ node, handle }: Manifest["sinks"][number]): string {
  return `sink ${node} ${JSON.stringify(handle)}`.slice(0, 300);
}

/** The shards of the slot, and of what is taken apart by its keys all. */
export const wantedBy = ({ identity, hashed = NONE }: Pick<NewestRequest, "identity" | "hashed">): Wanted => ({
  mine: (shard) => shard % identity.slots === identity.slot,
  hashed,
});

const NONE: ReadonlySet<string> = new Set();

export async function isCompleted(storage: Storage, folder: string): Promise<boolean> {
  return (await storage.list(folder)).includes(COMPLETED);
}

/** The checkpoint, whole or damaged; `undefined` for one that was never finished. */
async function look(
  storage: Storage,
  folder: string,
  { id, wanted }: { id: number; wanted: Wanted },
): Promise<Seen | undefined> {
  const completed = await isCompleted(storage, folder);
  try {
    const found = await readManifest(storage, folder);
    if (found !== undefined) {
      return { kind: "whole", id, completed, part: await loadPart(storage, folder, found.manifest, wanted) };
    }
    if (!completed) return undefined;
    const damage = new WeirError("CHECKPOINT_CORRUPT", `${storage.uri}/${folder}/${MANIFEST} is missing`);
    return { kind: "damaged", id, completed, damage };
  } catch (e) {
    if (e instanceof WeirError && e.code === "CHECKPOINT_CORRUPT") {
      return { kind: "damaged", id, completed, damage: e };
    }
    throw e;
  }
}
