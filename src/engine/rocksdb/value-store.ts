import type { Database, DatabaseSnapshot } from "./database.ts";
import { NO_TEXT, PackedWrites, VALUE_HEADER } from "./packed-writes.ts";
import { KeyList } from "./key-list.ts";
import type { KeyForm } from "./key-list.ts";
import { SWEEPS } from "./held.ts";
import { StoredMap, textKey } from "./stored-map.ts";
import type { AnyMap, Name, ValueCodec, WriteOut } from "./stored-map.ts";

/** So many changes at most before they are written: a barrier has little to write. */
const CHANGES = 2048;
/** Where checkpoints need nothing written: a barrier lists them. Then the oldest are written, so many of them at once. */
const LATE_CHANGES = 32_768;
const WRITTEN_SHARE = 1 / 16;
/** Of the cache, what is read ahead takes up so much at most. */
const AHEAD_SHARE = 0.75;
/** When there is too much in the cache, so much of it goes, but so many bytes at most: no record waits long for it. */
const SHRUNK_SHARE = 1 / 8;
const SHRUNK_BYTES = 1024 * 1024;

/** What a program asks before a batch: see `runChain`. */
export interface ReadAhead {
  /** Something is in the database only. */
  readonly cold: boolean;
  fetch(): void;
  forgetAhead(): void;
}

/**
 * State of one node in the database, where it is objects by name: maps of several kinds with one cache. A change is in
 * memory until there are many. When there is too much in memory, what nobody asked for lately is dropped: a hand goes
 * around all objects and passes over those that were asked for since it came by last (the clock algorithm).
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
  /** Objects that the database does not have as they are. */
  unwritten = 0;
  /** Counts batches, and times when there was too much in memory. */
  turn = 1;
  /** Snapshots that began at a `barrier`, and what they alone have by now, of what was not written. */
  begun = 0;
  heldBytes = 0;
  /** Counts what was taken up for this batch, also what has gone since. */
  taken = 0;
  /** What may be held, in bytes. */
  cacheBytes: number;
  /** Maps of which something is wanted. */
  readonly wanting = new Set<AnyMap>();
  /** Maps that hold names which name nothing. */
  readonly lacking = new Set<AnyMap>();
  private readonly maps = new Set<AnyMap>();
  private readonly out: WriteOut = { writes: new PackedWrites(), keys: new KeyList() };
  private readonly late: boolean;

  /** `late`: changes are written late, and `barrier` begins snapshots. */
  constructor(database: Database, cacheBytes: number, { late = false } = {}) {
    this.database = database;
    this.cacheBytes = cacheBytes;
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
    this.unwritten -= map.changes;
  }

  /** The same for a node that reads in several steps. */
  readAhead(fetch: () => void, cold = (): boolean => this.cold): ReadAhead {
    return {
      get cold() {
        return cold();
      },
      fetch: () => {
        this.taken = 0;
        fetch();
      },
      forgetAhead: () => this.forgetAhead(),
    };
  }

  /** Whether more may be read ahead: what a batch changes needs room, too. */
  get hasRoom(): boolean {
    return this.bytes < this.most * AHEAD_SHARE;
  }

  private get most(): number {
    return this.cacheBytes - this.heldBytes;
  }

  /** Called where nothing that was given is about to be changed. */
  room(): void {
    const { most } = this;
    if (this.bytes > most) this.shrink(most - Math.min(most * SHRUNK_SHARE, SHRUNK_BYTES));
    else if (this.late) {
      if (this.unwritten > LATE_CHANGES) this.writeOldest();
    } else if (this.changes > CHANGES) this.flush();
  }

  /** Drops what is used least, down to so many bytes. */
  private shrink(to: number): void {
    if (to <= 0) return this.dropAll();
    for (const among of SWEEPS) {
      const share = 1 - to / this.bytes;
      if (share <= 0) break;
      for (const map of this.maps) if (map.bytes > 0) map.sweep(map.bytes * share, among, this.out);
    }
    this.database.write(this.out.writes);
    if (!this.cold) this.taken = 0;
    this.cold = true;
    this.turn++;
  }

  private dropAll(): void {
    this.flush();
    for (const map of this.maps) map.clear();
    this.bytes = 0;
    this.cold = true;
  }

  private writeOldest(): void {
    for (const map of this.maps) map.write(this.out, map.changes * WRITTEN_SHARE);
    this.database.write(this.out.writes);
  }

  flush(): void {
    for (const map of this.maps) map.write(this.out);
    this.database.write(this.out.writes);
    this.changes = 0;
  }

  /** What is there now; what changes from here on has the next number. */
  snapshot(): StoreSnapshot {
    this.flush();
    return { number: ++this.number, of: this.database.snapshot() };
  }

  /** What the database has now: what is `unwritten` comes beside it, and is held until all that begun so `letGo`. */
  barrier(): StoreSnapshot {
    this.begun++;
    return { number: ++this.number, of: this.database.snapshot() };
  }

  letGo(): void {
    if (--this.begun === 0) this.heldBytes = 0;
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
    const { keys } = this.out;
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
    const { most, taken } = this;
    if (this.cold && this.bytes + taken > most) this.shrink(most - taken);
    this.taken = 0;
    this.turn++;
  }

  /** Names that the database has nothing for. */
  forgetLacking(): void {
    for (const map of this.lacking) map.forgetLacking();
    this.lacking.clear();
  }
}

interface StoreSnapshot {
  readonly number: number;
  readonly of: DatabaseSnapshot;
}

interface Wanted {
  readonly map: AnyMap;
  readonly names: readonly never[];
}
