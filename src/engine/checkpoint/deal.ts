import { WeirError } from "../../errors.ts";
import type { AssignedSplit, Split } from "../connectors/connector.ts";
import { migrated } from "../keyed-state/migrations.ts";
import type { SavedShard } from "../keyed-state/migrations.ts";
import type { KeyedNode } from "../program.ts";
import type { SlotIdentity } from "./layout.ts";
import { loadWatermark, type SourceState } from "./manifest.ts";
import type { RestoredState } from "./restore.ts";
import { restoreDivided, type KeyOwner, type SplitPart } from "./divide.ts";
import { sha256 } from "./sealed.ts";
import type { LoadedPart } from "./snapshot-reader.ts";

/** One source's share of a slot: what it reads, from where, and how far its event time had come. */
export interface DealtSource {
  readonly assigned: readonly AssignedSplit[];
  /** Split index → watermark of the split; absent for a split that was never read. */
  readonly splitWatermarks: ReadonlyMap<number, number>;
  /** The source's watermark to go on from: the lowest of the slots that its splits come from. */
  readonly watermark: number;
  /** What the deal is about, for the next checkpoint: the number of splits, and which they are. */
  readonly splitCount: number;
  readonly listing: string;
  /** An older deal is kept. */
  readonly kept: boolean;
}

type SavedSplit = SourceState["splits"][number] & { readonly source: number };

/** All of it, from where it begins: what a table is made of is read again at each start. */
export const dealWhole = (splits: readonly Split[]): DealtSource => ({
  assigned: splits.map((split) => ({ split, position: undefined })),
  splitWatermarks: new Map(),
  watermark: -Infinity,
  splitCount: splits.length,
  listing: listingOf(splits),
  kept: false,
});

/** Split s belongs to slot s % n, like shard s: a declared shard stays with its split at any n. */
export function dealSource(
  node: string,
  splits: readonly Split[],
  identity: SlotIdentity,
  state: RestoredState | undefined,
): DealtSource {
  const { slot, slots } = identity;
  const saved = savedSplits(node, state);
  const kept = keptDeal(node, splits, identity, state);
  const mine = kept === undefined ? splits.filter((split) => split.index % slots === slot) : heldBy(splits, saved);
  const floors = mine.map((split) => saved.get(split.id)?.source ?? -Infinity);
  return {
    assigned: mine.map((split) => {
      const position = saved.get(split.id)?.position;
      return {
        split,
        position,
        ...(position === undefined && saved.size > 0 ? { readBefore: [...saved.keys()] } : {}),
      };
    }),
    splitWatermarks: new Map(
      mine.flatMap((split) => {
        const of = saved.get(split.id);
        return of === undefined ? [] : [[split.index, loadWatermark(of.watermark)] as const];
      }),
    ),
    watermark: floors.length === 0 ? -Infinity : Math.min(...floors),
    splitCount: kept?.splitCount ?? splits.length,
    listing: kept?.listing ?? listingOf(splits),
    kept: kept !== undefined,
  };
}

function savedSplits(node: string, state: RestoredState | undefined): ReadonlyMap<string, SavedSplit> {
  return new Map(
    (state?.parts ?? []).flatMap(({ manifest }) =>
      manifest.sources
        .filter((s) => s.node === node)
        .flatMap((s) => s.splits.map((split) => [split.id, { ...split, source: loadWatermark(s.watermark) }] as const)),
    ),
  );
}

/**
 * The deal that a slot must keep: it comes back alone, among slots that dealt the splits as they were, and meanwhile some
 * came in between. Dealing anew would read splits of the others, and leave its own to nobody. Splits behind the old ones
 * disturb nothing.
 */
function keptDeal(
  node: string,
  splits: readonly Split[],
  { epoch, slots }: SlotIdentity,
  state: RestoredState | undefined,
): { splitCount: number; listing: string } | undefined {
  if (slots === 1 || state?.checkpointId === undefined) return undefined;
  const own = state.parts.find(({ manifest }) => manifest.epoch === epoch);
  const { splitCount, listing } = own?.manifest.sources.find((s) => s.node === node) ?? {};
  if (splitCount === undefined || listing === undefined) return undefined;
  return listingOf(splits.slice(0, splitCount)) === listing ? undefined : { splitCount, listing };
}

/** The splits that were saved, under their old index; those that are gone are left out. */
function heldBy(splits: readonly Split[], saved: ReadonlyMap<string, SavedSplit>): Split[] {
  const there = new Set(splits.map((s) => s.id));
  return [...saved.values()].filter((s) => there.has(s.id)).map(({ id, index }) => ({ id, index }));
}

const listingOf = (splits: readonly Split[]): string => sha256(Buffer.from(JSON.stringify(splits.map((s) => s.id))));

/**
 * Gives keyed nodes the shards that this slot owns; the parts hold no others, but of what was by split. What is restored is let go of: a slot knows for
 * as long as it runs what it was restored from, and its state must not be in memory twice.
 */
export async function restoreKeyed(keyed: readonly KeyedNode[], state: RestoredState, owner: KeyOwner): Promise<void> {
  for (const { manifest, shards, uri } of state.parts) {
    for (const node of keyed) {
      const saved = manifest.keyed.find((k) => k.node === node.node);
      if (saved === undefined) continue;
      const chunksOf = shards.get(node.node);
      for (const [shard, chunks] of chunksOf ?? []) {
        restoreShard(node, { shard, chunks: await chunks(), version: saved.stateVersion, uri });
        chunksOf?.delete(shard);
      }
    }
    for (const unclaimed of shards.values()) unclaimed.clear();
  }
  for (const node of keyed) {
    const parts = state.parts.flatMap((part) => splitPart(part, node));
    if (parts.length > 0) await restoreDivided(node, parts, owner);
  }
}

function splitPart({ manifest, bySplit, uri }: LoadedPart, { node }: KeyedNode): SplitPart[] {
  const [version, saved] = [manifest.keyed.find((k) => k.node === node)?.stateVersion, bySplit.get(node)];
  return version === undefined || saved === undefined ? [] : [{ saved, version, uri }];
}

function restoreShard(node: KeyedNode, saved: SavedShard & { shard: number; uri: string }): void {
  try {
    const { chunks, version } = migrated(node, saved);
    node.restore(saved.shard, chunks, version);
  } catch (e) {
    if (e instanceof WeirError) throw e;
    const text = `${saved.uri}: the entries of node ${node.node}, shard ${saved.shard} cannot be decoded`;
    throw new WeirError("CHECKPOINT_CORRUPT", text, { cause: e });
  }
}
