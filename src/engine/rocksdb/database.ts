import { mkdirSync, rmSync, statfsSync } from "node:fs";
import { join } from "node:path";
import { loadAddon } from "./addon.ts";
import { explained } from "./explained.ts";
import type { Addon, DatabaseHandle, MemoryHandle, SnapshotHandle } from "./addon.ts";
import type { PackedWrites } from "./packed-writes.ts";

const CHUNK_BYTES = 512 * 1024;
const NOTHING = Buffer.alloc(0);
/** Behind what every chunk begins with. */
const PAIRS_AT = 12;

/** Which entries a scan gives, and what their chunks say. */
export interface ScanRequest {
  readonly watermark: number;
  /** End of the window; 0 for a table. */
  readonly end: number;
  readonly prefix: Buffer;
  /** An index in the order of arrival, and from which place in it; without it, entries come by key. */
  readonly index?: { readonly prefix: Buffer; readonly first: Buffer };
  /** Only what was written after that snapshot. */
  readonly since?: number;
  /** Only what arrived before so many others. */
  readonly below?: number;
  /** Only entries that are not gone, and were written later than this. */
  readonly livingAfter?: number;
  /** And those that are not gone and have a second cell above 0. */
  readonly orWaiting?: boolean;
}

export interface PairsRequest {
  readonly first?: Buffer;
  readonly since?: number;
  /** How much is read at once, about. */
  readonly bytes?: number;
}

/** Parts of one buffer, which nobody changes. */
export interface StoredPair {
  readonly key: Buffer;
  readonly value: Buffer;
}

/** State of one node in RocksDB: a folder of its own, which holds nothing that a checkpoint does not have. */
export class Database {
  private readonly addon: Addon;
  private readonly handle: DatabaseHandle;

  constructor(addon: Addon, handle: DatabaseHandle) {
    this.addon = addon;
    this.handle = handle;
  }

  read(keys: Buffer, keyAt: Int32Array, n: number): Buffer {
    return this.addon.read(this.handle, keys, keyAt, n);
  }

  write(operations: PackedWrites): void {
    if (operations.length > 0) this.addon.write(this.handle, operations.bytes, operations.length);
    operations.length = 0;
  }

  remove(prefix: Buffer): void {
    this.addon.remove(this.handle, prefix);
  }

  /**
   * Entries may go that were written no later, or are gone since before that snapshot; where they `mayWait`, the second cell
   * of one that must stay is above 0.
   */
  forget(time: number, goneBelow: number, mayWait: boolean): void {
    this.addon.forget(this.handle, time, goneBelow, mayWait);
  }

  /** Keys that there are about. */
  keys(): number {
    return this.addon.property(this.handle, "rocksdb.estimate-num-keys");
  }

  /** Bytes that its files take. */
  fileBytes(): number {
    return this.addon.property(this.handle, "rocksdb.total-sst-files-size");
  }

  snapshot(): DatabaseSnapshot {
    return new DatabaseSnapshot(this.addon, this.addon.snapshot(this.handle));
  }

  /** Does what it is asked with what is there now, and lets go of it. */
  withSnapshot<T>(work: (snapshot: DatabaseSnapshot) => T): T {
    const snapshot = this.snapshot();
    try {
      return work(snapshot);
    } finally {
      snapshot.release();
    }
  }

  close(): void {
    this.addon.close(this.handle);
  }
}

/** What was written before, whatever is written since. */
export class DatabaseSnapshot {
  private readonly addon: Addon;
  private readonly handle: SnapshotHandle;

  constructor(addon: Addon, handle: SnapshotHandle) {
    this.addon = addon;
    this.handle = handle;
  }

  /** With `since`, an empty buffer says that nothing was found for a while. */
  *scan({ watermark, end, prefix, index, since = 0, below = Infinity, ...only }: ScanRequest): Generator<Buffer> {
    const { livingAfter, orWaiting = false } = only;
    const living = livingAfter === undefined ? [0, 0] : [1, 1];
    const numbers = Float64Array.of(watermark, end, livingAfter ?? 0, since, below, ...living, 0, Number(orWaiting));
    const [over, first, data] = index === undefined ? [prefix, prefix, NOTHING] : [index.prefix, index.first, prefix];
    const scan = this.addon.scan(this.handle, over, first, data, Buffer.from(numbers.buffer));
    try {
      for (let chunk = this.addon.next(scan, CHUNK_BYTES); chunk; chunk = this.addon.next(scan, CHUNK_BYTES))
        if (chunk.readUInt32LE(8) > 0) yield chunk;
        else if (since > 0) yield NOTHING;
    } finally {
      this.addon.endScan(scan);
    }
  }

  /** What is below a prefix, by key, without it; from `first` on, only what was written after the snapshot `since`; part by part. */
  *pairs(
    prefix: Buffer,
    { first = prefix, since = 0, bytes = CHUNK_BYTES }: PairsRequest = {},
  ): Generator<Iterable<StoredPair>> {
    const numbers = Float64Array.of(0, 0, 0, since, Infinity, 0, 0, 1, 0);
    const scan = this.addon.scan(this.handle, prefix, first, NOTHING, Buffer.from(numbers.buffer));
    try {
      for (let chunk = this.addon.next(scan, bytes); chunk; chunk = this.addon.next(scan, bytes)) yield pairsOf(chunk);
    } finally {
      this.addon.endScan(scan);
    }
  }

  release(): void {
    this.addon.release(this.handle);
  }
}

function* pairsOf(chunk: Buffer): Generator<StoredPair> {
  let at = PAIRS_AT;
  const part = (): Buffer => {
    const start = at + 4;
    at = start + chunk.readUInt32LE(at);
    return chunk.subarray(start, at);
  };
  while (at < chunk.length) yield { key: part(), value: part() };
}

/** How a worker keeps state in RocksDB. */
export interface RocksState {
  /** The database of a node, empty; `share` of how many have the memory. */
  open(node: string): Database;
  /** Bytes of entries that one node may hold in the program's own memory. */
  readonly cacheBytes: number;
  /** How full the disk is; undefined once it is closed, and where the disk does not say. */
  disk(): StateDisk | undefined;
  close(): void;
}

/** Bytes. */
export interface StateDisk {
  readonly size: number;
  readonly free: number;
  /** By the files of the databases. */
  readonly used: number;
}

export interface RocksOptions {
  /** It may be a mounted volume, which cannot be removed, and has things of its own. */
  readonly folder: string;
  readonly memoryBytes: number;
  /** How many nodes share the memory. */
  readonly nodes: number;
}

const MIB = 1024 * 1024;
/** In `folder`; it is removed at the start and at the end: the files are worth nothing once the process has ended. */
const OWN_FOLDER = "rocksdb";

/** Half of the memory for blocks of the databases, a quarter for what is not yet in their files, a quarter for entries. */
export function rocksState({ folder, memoryBytes, nodes }: RocksOptions): RocksState {
  const addon = explained(loadAddon(), folder);
  const own = join(folder, OWN_FOLDER);
  rmSync(own, { recursive: true, force: true });
  mkdirSync(own, { recursive: true });
  const writeBytes = memoryBytes / 4;
  const memory: MemoryHandle = addon.memory(memoryBytes / 2, writeBytes);
  const opened: Database[] = [];
  let closed = false;
  return {
    cacheBytes: memoryBytes / 4 / Math.max(1, nodes),
    open: () => {
      // One buffer fills while another is written out.
      const bufferBytes = Math.max(MIB, writeBytes / 2 / Math.max(1, nodes));
      const database = new Database(addon, addon.open(join(own, String(opened.length)), memory, bufferBytes));
      opened.push(database);
      return database;
    },
    disk: () => {
      if (closed) return undefined;
      try {
        const { bsize, blocks, bavail } = statfsSync(own);
        const used = opened.reduce((sum, database) => sum + database.fileBytes(), 0);
        return { size: bsize * blocks, free: bsize * bavail, used };
      } catch {
        // A figure ends no worker: whoever reads or writes state there next says what is wrong.
        return undefined;
      }
    },
    close: () => {
      closed = true;
      for (const database of opened) database.close();
      rmSync(own, { recursive: true, force: true });
    },
  };
}
