import { setImmediate as turn } from "node:timers/promises";
import { crc32 } from "node:zlib";
import type { Plan } from "../plan.ts";
import type { KeyedNode, KeyedSnapshot, StatePiece } from "../program.ts";
import type { Increment } from "./increments.ts";
import type { SlotIdentity } from "./layout.ts";
import { MANIFEST } from "./layout.ts";
import { saveWatermark, type KeyedState, type Manifest, type Segment, type SourceState } from "./manifest.ts";
import { seal } from "./sealed.ts";
import type { SegmentWriter, Storage } from "./storage.ts";

/** Everything a snapshot holds, taken in one turn at a barrier; the entries of keyed state are still to be written. */
export interface Capture {
  readonly takenAt: number;
  readonly held: boolean;
  readonly paused?: boolean | undefined;
  readonly cut?: string | undefined;
  readonly crossing?: string | undefined;
  readonly sources: readonly SourceState[];
  readonly keyed: readonly CapturedNode[];
}

interface CapturedNode {
  readonly head: Omit<KeyedState, "shards">;
  readonly shards: readonly number[];
  readonly snapshot: KeyedSnapshot;
}

/** The synchronous phase for keyed state. Where a node cannot, as its disk is full, nothing of the others is held either. */
export function captureKeyed(nodes: readonly KeyedNode[]): CapturedNode[] {
  const kept = nodes.filter((node) => node.onlyOnItsWay !== true || node.shards().length > 0);
  const captured: CapturedNode[] = [];
  try {
    for (const node of kept) captured.push(capturedNode(node));
  } catch (e) {
    for (const { snapshot } of captured) snapshot.release();
    throw e;
  }
  return captured;
}

const capturedNode = (node: KeyedNode): CapturedNode => ({
  head: {
    node: node.node,
    stateVersion: node.stateVersion,
    stateSignature: node.stateSignature,
    watermark: saveWatermark(node.watermark),
  },
  shards: [...node.shards()].toSorted((a, b) => a - b),
  snapshot: node.beginSnapshot(),
});

export function releaseCapture(capture: Capture): void {
  for (const node of capture.keyed) node.snapshot.release();
}

/** So long at a time it encodes while records wait. */
const SLICE_MS = 2;

export const stateFileName = (attempt: number): string => `state-a${attempt}.seg`;

interface Place {
  readonly folder: string;
  readonly attempt: number;
  /** Only what earlier checkpoints do not hold is written. Absent: all of it, as in a savepoint, which stands alone. */
  readonly increment?: Increment;
}

/** The asynchronous phase: streams entries into one file, and yields to the event loop between chunks. */
export async function writeKeyedState(
  storage: Storage,
  at: Place,
  capture: Capture,
  signal: AbortSignal,
): Promise<{ keyed: KeyedState[]; bytes: number }> {
  const file = stateFile(storage, at);
  const keyed: KeyedState[] = [];
  try {
    for (const { head, shards, snapshot } of capture.keyed) {
      const written: KeyedState["shards"] = [];
      for (const shard of shards) {
        const pieces = at.increment === undefined ? undefined : snapshot.pieces?.(shard);
        const segments =
          at.increment === undefined || pieces === undefined
            ? await file.append(snapshot.chunks(shard), signal)
            : await appendPieces(file, pieces, { increment: at.increment, signal });
        written.push({ shard, segments });
      }
      keyed.push({ ...head, shards: written });
    }
    await file.close();
  } catch (e) {
    await file.abandon();
    throw e;
  }
  return { keyed, bytes: file.size() };
}

async function appendPieces(
  file: ReturnType<typeof stateFile>,
  pieces: Iterable<StatePiece>,
  { increment, signal }: { increment: Increment; signal: AbortSignal },
): Promise<Segment[]> {
  const segments: Segment[] = [];
  for (const piece of pieces) {
    const share = increment.of(piece);
    const written = await file.append(share.chunks, signal);
    share.wrote(written);
    segments.push(...share.kept, ...written);
  }
  return segments;
}

/**
 * The one file of a snapshot's entries; it does not exist when there are none. Every attempt has its own: an older one
 * that is still alive writes the same checkpoint, and must not write into the file that a manifest vouches for.
 */
function stateFile(storage: Storage, { folder, attempt }: Place) {
  const name = stateFileName(attempt);
  let writer: SegmentWriter | undefined;
  let at = 0;
  let lastTurn = performance.now();
  return {
    append: async (chunks: Iterable<Buffer>, signal: AbortSignal): Promise<Segment[]> => {
      const segments: Segment[] = [];
      for (const chunk of chunks) {
        signal.throwIfAborted();
        if (chunk.length > 0) {
          writer ??= await storage.writer(`${folder}/${name}`);
          segments.push({ file: name, offset: at, length: chunk.length, crc32: crc32(chunk) });
          at += chunk.length;
          await writer.write(chunk);
        }
        // A storage gathers what is written, which is no reason to keep records waiting.
        if (performance.now() - lastTurn < SLICE_MS) continue;
        await turn();
        lastTurn = performance.now();
      }
      return segments;
    },
    size: () => at,
    close: async () => await writer?.close(),
    abandon: async () => await writer?.abandon(),
  };
}

export interface ManifestFacts extends PlanFacts {
  readonly identity: SlotIdentity;
  readonly id: number | string;
  readonly sinks: Manifest["sinks"];
}

type PlanFacts = Pick<Manifest, "planHash" | "maxParallelism" | "keyTypes">;

/** What a manifest remembers of the plan that its state is of. */
export function factsOf({ hash, maxParallelism, keyTypes }: Plan): PlanFacts {
  return { planHash: hash, maxParallelism, ...(keyTypes === undefined ? {} : { keyTypes }) };
}

/** Writes the manifest, which makes the snapshot exist; `undefined` when somebody else's is already there. */
export async function writeManifest(
  storage: Storage,
  folder: string,
  facts: ManifestFacts,
  state: { capture: Capture; keyed: KeyedState[] },
): Promise<{ manifest: Manifest; bytes: Buffer } | undefined> {
  const { identity, ...rest } = facts;
  const manifest: Manifest = {
    version: 1,
    namespace: identity.namespace,
    job: identity.job,
    jobUid: identity.jobUid,
    lineage: identity.lineage,
    epoch: identity.epoch,
    attempt: identity.attempt,
    slot: identity.slot,
    slots: identity.slots,
    ...rest,
    takenAt: state.capture.takenAt,
    held: state.capture.held,
    ...(state.capture.paused === undefined ? {} : { paused: state.capture.paused }),
    ...(state.capture.cut === undefined ? {} : { cut: state.capture.cut }),
    ...(state.capture.crossing === undefined ? {} : { crossing: state.capture.crossing }),
    sources: [...state.capture.sources],
    keyed: state.keyed,
  };
  const bytes = seal(manifest);
  return (await storage.create(`${folder}/${MANIFEST}`, bytes)) ? { manifest, bytes } : undefined;
}
