import type { Database, DatabaseSnapshot } from "./database.ts";
import { PackedWrites } from "./packed-writes.ts";
import { StoredMap } from "./stored-map.ts";
import type { ValueCodec } from "./stored-map.ts";

/** So many changes at most before they are written: a barrier has little to write. */
const CHANGES = 2048;

/** What a program asks before a batch: see `runChain`. */
export interface ReadAhead {
  /** Something is in the database only. */
  readonly cold: boolean;
  fetch(): void;
  forgetAhead(): void;
}

/**
 * State of one node in the database, where it is objects by name: maps of several kinds with one cache. A change is in
 * memory until there are many; when there is too much in memory, all of it is written and dropped, as `EntryStore` does.
 * An object that was given may be changed, and must then be put, until there is `room` again.
 */
export class ValueStore implements ReadAhead {
  readonly database: Database;
  /** Number of the newest snapshot: what is written now was changed after it. */
  number = 0;
  cold = false;
  /** Counts what is held, about. */
  bytes = 0;
  changes = 0;
  private readonly cacheBytes: number;
  private readonly maps = new Set<StoredMap<unknown>>();
  private readonly writes = new PackedWrites();
  private readonly written: () => void;

  /** `written` is called when nothing counts as changed any more. */
  constructor(database: Database, cacheBytes: number, written: () => void = () => undefined) {
    this.database = database;
    this.cacheBytes = cacheBytes;
    this.written = written;
  }

  map<T>(kind: number, codec: ValueCodec<T>): StoredMap<T> {
    const map = new StoredMap(this, kind, codec);
    this.maps.add(map as StoredMap<unknown>);
    return map;
  }

  /** Forgets a map and what is in the database below its prefix. */
  drop<T>(map: StoredMap<T>, prefix: Buffer): void {
    this.maps.delete(map as StoredMap<unknown>);
    this.bytes -= map.bytes;
    this.database.remove(prefix);
  }

  /** Called where nothing that was given is about to be changed. */
  room(): void {
    if (this.bytes > this.cacheBytes) this.evict();
    else if (this.changes > CHANGES) this.flush();
  }

  private evict(): void {
    this.flush();
    for (const map of this.maps) map.clear();
    this.bytes = 0;
    this.cold = true;
  }

  flush(): void {
    for (const map of this.maps) map.write(this.writes, this.number);
    this.database.write(this.writes);
    this.changes = 0;
    this.written();
  }

  /** What is there now; what changes from here on has the next number. */
  snapshot(): { readonly number: number; readonly of: DatabaseSnapshot } {
    this.flush();
    return { number: ++this.number, of: this.database.snapshot() };
  }

  fetch(): void {
    for (const map of this.maps) map.fetch();
  }

  /** What was read ahead is in the cache like anything else. */
  forgetAhead(): void {
    return undefined;
  }
}
