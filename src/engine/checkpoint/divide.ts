import { WeirError } from "../../errors.ts";
import type { Division, Share, ShareOf } from "../keyed-state/division.ts";
import { migrated } from "../keyed-state/migrations.ts";
import type { KeyedNode } from "../program.ts";
import { murmur2, shardOf } from "../windows/murmur2.ts";
import type { SavedBySplit, SplitShard } from "./snapshot-reader.ts";

/** What a node saved by splits in one slot, and in which form. */
export interface SplitPart {
  readonly saved: SavedBySplit;
  readonly version: number;
  readonly uri: string;
}

/** Which keys are a slot's. */
export interface KeyOwner {
  readonly slot: number;
  readonly slots: number;
  readonly maxParallelism: number;
}

/** Of a slot's own share so much is held before it is restored; for more, all that was saved is read once more. */
const HELD_BYTES = 64 * 1024 * 1024;

/**
 * Restores a node that kept its keys by the splits they came from and finds them by their hash now: each worker takes of
 * every split what is its own. The new shards go on from the lowest time of all splits: what was not over for one of them
 * is not over.
 */
export async function restoreDivided(
  node: KeyedNode,
  parts: readonly SplitPart[],
  owner: KeyOwner,
  heldBytes = HELD_BYTES,
): Promise<void> {
  const floor = lowestOf(parts);
  const version = versionOf(node, parts);
  const divisionOf = (): Division => node.division?.(floor) ?? cannot(node);
  const done = new Set<number>();
  const isOwn = (shard: number): boolean => shard % owner.slots === owner.slot && !done.has(shard);
  for (let left = true; left;) {
    const shards = new Gathering(divisionOf(), { isOwn, maxParallelism: owner.maxParallelism, heldBytes });
    for (const part of parts) for (const shard of part.saved.shards) await shards.gather(node, part, shard);
    shards.end();
    for (const [shard, chunks] of shards.taken()) {
      node.restore(shard, chunks, version);
      done.add(shard);
    }
    left = shards.left.size > 0;
  }
  if (!divisionOf().late) return;
  const isWanted = (shard: number): boolean => parts.some(({ saved: { within } }) => within?.(shard) ?? true);
  for (let shard = 0; shard < owner.maxParallelism; shard++)
    if (isOwn(shard) && isWanted(shard)) node.restore(shard, [divisionOf().open().take()], version);
}

function cannot({ node }: KeyedNode): never {
  throw new WeirError("INTERNAL", `node ${node} cannot take its state apart by keys`);
}

/** A slot whose splits have all ended says nothing of the others; where all have, time is not restored. */
function lowestOf(parts: readonly SplitPart[]): number {
  const times = parts.map(({ saved }) => saved.watermark).filter((time) => time !== undefined);
  return times.length === 0 ? Number.NEGATIVE_INFINITY : Math.min(...times);
}

function versionOf(node: KeyedNode, parts: readonly SplitPart[]): number {
  const versions = new Set(parts.map(({ version }) => migrated(node, { chunks: [], version }).version));
  const [version = node.stateVersion, other] = versions;
  if (other === undefined) return version;
  const text = `node ${node.node} has state of versions ${[...versions].join(" and ")}, and keys of both would meet in one shard`;
  throw new WeirError(
    "RESTORE_REFUSED",
    `${text}; put partitionedBy back, let each worker complete a checkpoint, and change it then`,
  );
}

interface Gathered {
  readonly share: Share;
  readonly chunks: Buffer[];
  bytes: number;
}

interface GatheringOptions {
  readonly isOwn: (shard: number) => boolean;
  readonly maxParallelism: number;
  readonly heldBytes: number;
}

/** New shards on their way together, as many as there is room for. */
class Gathering {
  /** For another time. */
  readonly left = new Set<number>();
  private readonly shards = new Map<number, Gathered>();
  private readonly division: Division;
  private readonly options: GatheringOptions;
  private bytes = 0;

  constructor(division: Division, options: GatheringOptions) {
    this.division = division;
    this.options = options;
  }

  async gather(node: KeyedNode, { saved, version, uri }: SplitPart, shard: SplitShard): Promise<void> {
    const { within } = saved;
    const shareOf: ShareOf = (key, start, stop) => this.shareOf(key, start, stop, within);
    const take = this.division.shard(shard.watermark);
    for await (const chunk of chunksOf(node, shard, version)) {
      refusedOf(uri, () => take(chunk, shareOf));
      this.makeRoom();
    }
    refusedOf(uri, () => this.division.check?.());
  }

  private shareOf(
    key: Uint8Array,
    start: number,
    stop: number,
    within?: (shard: number) => boolean,
  ): Share | undefined {
    const shard = shardOf(murmur2(key, start, stop), this.options.maxParallelism);
    return within?.(shard) === false ? undefined : this.share(shard);
  }

  private share(shard: number): Share | undefined {
    const { isOwn } = this.options;
    const known = this.shards.get(shard);
    if (known !== undefined) return known.share;
    if (!isOwn(shard) || this.left.has(shard)) return undefined;
    const share = this.division.open();
    this.shards.set(shard, { share, chunks: [], bytes: 0 });
    return share;
  }

  /** Of more than there is room for, the largest shard waits: it has all to itself in the end, if it must. */
  private makeRoom(): void {
    for (const gathered of this.shards.values()) if (gathered.share.full()) this.keep(gathered);
    while (this.bytes > this.options.heldBytes && this.shards.size > 1) {
      const [shard, { bytes }] = [...this.shards].reduce((a, b) => (b[1].bytes > a[1].bytes ? b : a));
      this.shards.delete(shard);
      this.left.add(shard);
      this.bytes -= bytes;
    }
  }

  private keep(gathered: Gathered): void {
    const chunk = gathered.share.take();
    gathered.chunks.push(chunk);
    gathered.bytes += chunk.length;
    this.bytes += chunk.length;
  }

  end(): void {
    this.division.end?.((key, start, stop) => this.shareOf(key, start, stop));
  }

  /** Each is let go of when it is taken: it must not be in memory twice. */
  *taken(): Generator<[number, readonly Buffer[]]> {
    for (const [shard, gathered] of this.shards) {
      this.keep(gathered);
      yield [shard, gathered.chunks.splice(0)];
      this.shards.delete(shard);
    }
  }
}

/** Says of a refusal what was to be restored. */
function refusedOf(uri: string, work: () => void): void {
  try {
    work();
  } catch (e) {
    if (e instanceof WeirError && e.code === "RESTORE_REFUSED")
      throw new WeirError(e.code, `cannot restore ${uri}: ${e.message}`, { cause: e });
    throw e;
  }
}

/** What is in an older form is made new as a whole. */
async function* chunksOf(node: KeyedNode, shard: SplitShard, version: number): AsyncGenerator<Buffer> {
  if (version === node.stateVersion || node.migrations === undefined) return yield* shard.chunks();
  yield* migrated(node, { chunks: await Array.fromAsync(shard.chunks()), version }).chunks;
}
