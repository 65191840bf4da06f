import type { Batch } from "./batch.ts";
import type { SinkWriter } from "./connectors/connector.ts";
import type { LoadedFunction } from "./functions/loaded-function.ts";
import type { Division } from "./keyed-state/division.ts";
import type { Migrations } from "./keyed-state/migrations.ts";
import type { LookupPort } from "./lookups/lookup-port.ts";
import type { PlanBuffer } from "./plan.ts";
import type { RocksState } from "./rocksdb/database.ts";

/**
 * A program is a plan compiled for one slot: pure, synchronous computation between sources and sinks.
 * `compile` (generated chains) and `interpret` (the oracle) build the same interface; the runtime drives it and owns
 * everything asynchronous: polling, credit, watermark tracking per split, barriers, storage.
 */
export interface Program {
  /** One entry per source node. */
  readonly inputs: ReadonlyMap<string, ProgramInput>;
  /** One entry per keyed stateful node, in topological order. */
  readonly keyed: readonly KeyedNode[];
  /**
   * The watermark of a source advanced (minimum over its non-idle splits, never backwards). Propagates through the
   * graph: every keyed node takes the minimum over its inputs, fires what is due and forwards its own watermark.
   */
  advanceWatermark(source: string, watermark: number): void;
  /** All splits of a source have become idle, or one has records again: an idle source holds nothing behind a union back. */
  setIdle(source: string, idle: boolean): void;
  /**
   * What the clock says, for windows of processing time: said before the first batch, and then whenever it has moved. A
   * record that comes to such a window has this time. It never goes back, nor behind the windows that were restored. While
   * windows are `held`, none is over.
   */
  advanceProcessingTime(now: number, held?: boolean): void;
  /** A bounded source ended: like a watermark of +∞ for it. */
  end(source: string): void;
  /** Queues between chains, and lookups, in topological order. */
  readonly buffers: readonly ProgramBuffer[];
  /** Per-node counters for metrics: in, out, dropped late, malformed, failed expressions. */
  counters(): ReadonlyMap<string, NodeCounters>;
}

/** A queue that ends one chain and begins another. */
export interface ProgramBuffer {
  readonly plan: Pick<PlanBuffer, "node" | "reader" | "size" | "strategy">;
  /** What waits is part of the saved state: a cut leaves it where it is. */
  readonly saved: boolean;
  /**
   * Hands on the next records, or how far time has come; false when there is nothing. `spills`: what is behind has no room
   * for them, and until it has, they count as if they were still here.
   */
  step(spills?: boolean): boolean;
  /** Records that wait. */
  readonly pending: number;
  /** The sources above it must wait. */
  readonly full: boolean;
  readonly dropped: number;
  /** The end of its input has come through. */
  readonly ended: boolean;
}

export interface ProgramInput {
  /** Runs the chain over a batch. Throws a WeirError only where `onError: Fail` says so. */
  process(batch: Batch): void;
  /** Highest event time seen in the last processed batch, or −Infinity: feeds the split's watermark generator. */
  readonly maxEventTime: number;
}

export interface NodeCounters {
  in: number;
  out: number;
  /** Records behind the watermark and allowed lateness. */
  late: number;
  /** Records sent to `dead`, skipped, or failed by `onError`. */
  errors: number;
}

/**
 * Keyed state of one node in shards. A snapshot is taken in two phases: `beginSnapshot` is synchronous and cheap
 * (advances the epoch stamp); `shardBytes` may be called later, piece by piece, and still sees the values at the
 * barrier (entries touched since are copied first).
 */
export interface KeyedNode {
  readonly node: string;
  /** Version of the state's serializer, saved with it. */
  readonly stateVersion: number;
  /** What makes its own form of older ones: `restore` gets only its own. Without them it reads no other, but see `unreadable`. */
  readonly migrations?: Migrations;
  /** Why `restore` cannot bring state of another version into its own form; without it, it reads the own version only. */
  unreadable?(stateVersion: number): string | undefined;
  /** Changes when the key expression, window or aggregates change incompatibly: compared at restore. */
  readonly stateSignature: string;
  /**
   * Shards with something to save: also those whose entries are all gone, because a shard's watermark is state too. A shard
   * that never had a record takes its lateness from the source's watermark, which a restart advances before any batch.
   */
  shards(): readonly number[];
  beginSnapshot(): KeyedSnapshot;
  /** Adds a shard's saved state; the shard must be owned by this slot and empty. */
  restore(shard: number, chunks: readonly Buffer[], stateVersion: number): void;
  /** Takes what `restore` takes apart by its keys, to go on from time `floor`. Absent: what it holds is not of keys. */
  division?(floor: number): Division;
  /** The node's current watermark; saved in the manifest so that lateness is the same after a restore. */
  readonly watermark: number;
  /** The highest watermark that a restored shard has; of windows only. */
  readonly floor?: number;
  /** Live keys, for metrics. */
  size(): number;
  /** It holds only what is on its way to somewhere else: when that is nothing, there is no state of the node. */
  readonly onlyOnItsWay?: boolean;
}

export interface KeyedSnapshot {
  /** Encoded entries of one shard at the barrier, in chunks of at most about 256 KiB; the runtime yields between chunks. */
  chunks(shard: number): Iterable<Buffer>;
  /**
   * The same entries as pieces, in this order, of which a checkpoint writes only what changed since an earlier one. Absent
   * where a node has no way to tell: then every checkpoint has all of it.
   */
  pieces?(shard: number): Iterable<StatePiece>;
  /** Releases the copies that were kept for this snapshot. */
  release(): void;
}

export interface StatePiece {
  /** The same object in every snapshot that has this piece; absent for one that is always written whole. */
  readonly of?: object;
  readonly at: PiecePosition;
  whole(): Iterable<Buffer>;
  /**
   * What was added, changed or removed since the piece was at `earlier`: restored after what it was then, it gives what it
   * is now, in the same order. Nothing where nothing was; `undefined` where that is too long ago to tell.
   * An empty buffer is nothing to save, and a moment to let others work.
   */
  since(earlier: PiecePosition): Iterable<Buffer> | undefined;
}

/** Where a piece was at a barrier: the number of the snapshot, and how many entries there were. */
export interface PiecePosition {
  readonly snapshot: number;
  readonly entries: number;
}

export interface ProgramOptions {
  readonly slot: number;
  readonly slots: number;
  readonly sinks: ReadonlyMap<string, SinkWriter>;
  /** Values of `params.*`. */
  readonly parameters: Readonly<Record<string, string>>;
  /** What process nodes run, by name. */
  readonly functions?: ReadonlyMap<string, LoadedFunction>;
  /** Who answers lookups, by node. */
  readonly lookups?: ReadonlyMap<string, LookupPort>;
  /** Keeps keyed state in RocksDB; without it, it is in memory. The interpreter, an oracle, has it in memory always. */
  readonly rocks?: RocksState;
  /** Takes what `peek` nodes show. */
  readonly peek?: (node: string, text: string) => void;
  /** Called for records that `onError: Fail` or a bug stops at, with the record's position in the message. */
  readonly maxDeadLetterSample?: number;
}
