import type { Database, DatabaseSnapshot } from "./database.ts";
import { NO_TEXT, PackedWrites, VALUE_HEADER } from "./packed-writes.ts";
import { KeyList } from "./key-list.ts";
import type { KeyForm } from "./key-list.ts";
import { StoredMap, textKey } from "./stored-map.ts";
import type { AnyMap, Name, ValueCodec } from "./stored-map.ts";

/** So many changes at most before they are written: a barrier has little to write. */
const CHANGES = 2048;
/** Where checkpoints need nothing written, that is when so much of the cache is taken. */
const LATE_SHARE = 0.5;
/** Of the cache, what is read ahead takes up so much at most. */
const AHEAD_SHARE = 0.75;

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
  /** Counts what was taken up in this batch, also what has gone since. */
  taken = 0;
  /** What may be held, in bytes. */
  cacheBytes: number;
  /** Maps of which something is wanted. */
  readonly wanting = new Set<AnyMap>();
  /** Maps that hold names which name nothing. */
  readonly lacking = new Set<AnyMap>();
  private readonly maps = new Set<AnyMap>();
  private readonly writes = new PackedWrites();
  private readonly keys = new KeyList();
  private readonly written: (() => void) | undefined;
  private readonly late: boolean;

  /** `written` is called when nothing counts as changed any more; `late`: changes are written late, and `barrier` begins snapshots. */
  constructor(database: Database, cacheBytes: number, { written, late = false }: WriteOptions = {}) {
    this.database = database;
    this.cacheBytes = cacheBytes;
    this.written = written;
    this.late = late;
  }

  map<T>(kind: number, codec: ValueCodec<T>): StoredMap<T> {
    return this.mapBy(textKey(kind), codec);
  }

  mapBy<T, N extends Name>(form: KeyForm<N>, codec: ValueCodec<T, N>): StoredMap<T, N> {
    const map = new StoredMap(this, form, codec);
    this.maps.add(map as unknown as AnyMap);
    return map;
  }

  /** Forgets a map; what it has in the database stays there. */
  release<T, N extends Name>(map: StoredMap<T, N>): void {
    for (const maps of [this.maps, this.wanting, this.lacking]) maps.delete(map as unknown as AnyMap);
    this.bytes -= map.bytes;
  }

  /** The same for a node that reads in several steps. */
  readAhead(fetch: () => void, cold = (): boolean => this.cold): ReadAhead {
    return {
      get cold() {
        return cold();
      },
      fetch,
      forgetAhead: () => this.forgetAhead(),
    };
  }

  /** Whether more may be read ahead: what a batch changes needs room, too. */
  get hasRoom(): boolean {
    return this.bytes < this.roomAhead;
  }

  private get roomAhead(): number {
    return this.cacheBytes * AHEAD_SHARE;
  }

  /** Called where nothing that was given is about to be changed. */
  room(): void {
    if (this.bytes > this.cacheBytes) this.evict();
    else if (this.changes > CHANGES && !this.canWait) this.flush();
  }

  private get canWait(): boolean {
    return this.late && this.bytes < this.cacheBytes * LATE_SHARE;
  }

  private evict(): void {
    this.flush();
    for (const map of this.maps) map.clear();
    this.bytes = 0;
    this.cold = true;
  }

  flush(): void {
    for (const map of this.maps) map.write(this.writes, this.number, this.keys);
    this.database.write(this.writes);
    this.changes = 0;
    this.written?.();
  }

  /** What is there now; what changes from here on has the next number. */
  snapshot(): { readonly number: number; readonly of: DatabaseSnapshot } {
    this.flush();
    return this.barrier();
  }

  /** What the database has now: what is `unwritten` comes beside it. */
  barrier(): { readonly number: number; readonly of: DatabaseSnapshot } {
    return { number: ++this.number, of: this.database.snapshot() };
  }

  /** Reads what was wanted, in one call. */
  fetch(): void {
    if (this.wanting.size === 0) return;
    const wanted = Array.from(this.wanting, (map): Wanted => ({ map, names: map.takeWanted() }));
    this.wanting.clear();
    this.read(wanted);
  }

  /** Reads what is not held. */
  read(wanted: readonly Wanted[]): void {
    const { keys } = this;
    keys.clear();
    for (const { map, names } of wanted) for (const name of names) map.addKey(name, keys);
    if (keys.n === 0) return;
    const found = this.database.read(keys.bytes, keys.at, keys.n);
    let at = 0;
    for (const { map, names } of wanted)
      for (const name of names) {
        const length = found.readUInt32LE(at);
        at += 4;
        if (length === NO_TEXT) map.load(name, undefined);
        else map.load(name, found.subarray(at + VALUE_HEADER, (at += length)));
      }
  }

  /**
   * The batch is over. What is read ahead must stay until the end of a batch, so room is made between two of them, for one
   * that takes as much as the last one did.
   */
  forgetAhead(): void {
    this.forgetLacking();
    if (this.cold && this.bytes + this.taken > this.roomAhead) this.evict();
    this.taken = 0;
  }

  /** Names that the database has nothing for. */
  forgetLacking(): void {
    for (const map of this.lacking) map.forgetLacking();
    this.lacking.clear();
  }
}

interface WriteOptions {
  readonly written?: () => void;
  readonly late?: boolean;
}

interface Wanted {
  readonly map: AnyMap;
  readonly names: readonly never[];
}
