import { RowWriter } from "../joins/row-codec.ts";
import type { RowLog } from "../joins/row-log.ts";
import { noRowAt } from "../joins/row.ts";
import type { Database, DatabaseSnapshot } from "./database.ts";
import { KeyList } from "./key-list.ts";
import { KeyRows } from "./key-rows.ts";
import type { RowTime } from "./key-rows.ts";
import { PackedWrites } from "./packed-writes.ts";
import { ROWS, spanPlace, StoredLog } from "./stored-log.ts";
import type { LogPlace } from "./stored-log.ts";
import { keyText } from "./stored-map.ts";
import { ValueStore } from "./value-store.ts";

/** Rows that came since the last time may have so much of the memory; what is read has the others. */
const TAIL_SHARE = 0.5;
/** Keys of which it is read at once which rows they have. */
const KEYS_AT_ONCE = 512;
const WRITE_BYTES = 256 * 1024;
/** Bytes of rows that go into the database in one turn, if they are of several logs. */
const STORED_AT_ONCE = 256 * 1024;

/** Rows of a log at a barrier, which stay as they are whatever comes after it. */
export interface LogContent {
  readonly stored: number;
  readonly tail: RowLog | undefined;
}

export interface RowsSnapshot {
  readonly number: number;
  readonly of: DatabaseSnapshot;
  readonly contents: ReadonlyMap<StoredLog, LogContent>;
  release(): void;
}

/** The logs of one join: while there is room their new rows are in memory only; then the oldest go into the database. */
export class JoinRows {
  readonly values: ValueStore;
  readonly keys: KeyRows;
  /** Logs of which rows are in the database. */
  private readonly cold = new Set<StoredLog>();
  private readonly open = new Map<number, StoredLog>();
  private readonly tailed = new Set<StoredLog>();
  private tailBytes = 0;
  /** Tails that a snapshot has, and those among them that logs have no more. */
  private readonly held = new Map<RowLog, number>();
  private heldBytes = 0;
  private snapshots = 0;
  private opened = 0;
  /** Sides and spans of time that have gone, of which there is something in the database. */
  private readonly gone = new Map<string, Buffer>();
  private readonly memory: number;
  private readonly writes = new PackedWrites(64 * 1024);
  private readonly name = new KeyList();
  private readonly row = noRowAt();
  private readonly writer = new RowWriter(0);

  constructor(database: Database, memory: number) {
    this.memory = memory;
    this.values = new ValueStore(database, memory);
    this.keys = new KeyRows(this.values, (id) => this.open.has(id));
  }

  /** Something is in the database only. */
  get isCold(): boolean {
    return this.cold.size > 0;
  }

  byId(id: number): StoredLog | undefined {
    return this.open.get(id);
  }

  log(of: Omit<LogPlace, "id">): StoredLog {
    const log = new StoredLog(this, { ...of, id: this.opened++ });
    this.open.set(log.id, log);
    return log;
  }

  /** A row is in the tail of a log, which had so many bytes before. */
  grew(log: StoredLog, before: number): void {
    this.tailed.add(log);
    this.tailBytes += (log.tail?.bytes ?? 0) - before;
  }

  drop(log: StoredLog): void {
    this.open.delete(log.id);
    if (this.tailed.delete(log)) this.tailBytes -= log.tail?.bytes ?? 0;
    this.letGo(log.tail);
    if (!this.cold.delete(log)) return;
    const place = spanPlace(log.side, log.end);
    this.gone.set(place.toString("latin1"), place);
    log.drop();
  }

  /** Nothing is left of what has gone: all shards have dropped it. The database forgets keys by themselves. */
  clearGone(time: number): void {
    if (this.isCold || this.gone.size > 0) this.values.database.forget(time, 0, false);
    for (const place of this.gone.values()) this.values.database.remove(Buffer.concat([Buffer.of(ROWS), place]));
    this.gone.clear();
  }

  /** Called where nothing that was given is about to be changed. */
  room(): void {
    while (this.tailed.size > 0 && this.tailBytes > (this.memory - this.heldBytes) * TAIL_SHARE)
      this.store(this.oldest());
    this.values.cacheBytes = Math.max(0, this.memory - this.heldBytes - this.tailBytes);
    this.values.room();
  }

  /** Logs whose tails began first: some at a time, so that no record waits for all of them. */
  private oldest(): StoredLog[] {
    const logs: StoredLog[] = [];
    let bytes = 0;
    for (const log of this.tailed) {
      if (bytes > STORED_AT_ONCE) break;
      bytes += log.tail?.bytes ?? 0;
      logs.push(log);
    }
    return logs;
  }

  /** Moves the rows of these logs that are in memory into the database. */
  store(logs: Iterable<StoredLog>): void {
    const moved = Array.from(logs).filter(({ tail }) => tail !== undefined);
    this.values.cold = true;
    let keys: TailKey[] = [];
    for (const log of moved)
      for (let entry = 0; entry < (log.tail as RowLog).keys.n; entry++) {
        keys.push(tailKey(log, entry));
        if (keys.length < KEYS_AT_ONCE) continue;
        this.index(keys);
        keys = [];
      }
    this.index(keys);
    for (const log of moved) this.move(log, log.tail as RowLog);
    this.values.database.write(this.writes);
    this.values.forgetLacking();
  }

  private index(keys: readonly TailKey[]): void {
    for (const { log, text } of keys) this.keys.want(log.shard, text);
    this.values.fetch();
    for (const { log, text, entry } of keys) this.keys.add(log, text, rowsOf(log, entry));
    this.values.room();
  }

  private move(log: StoredLog, tail: RowLog): void {
    this.write(log, tail);
    this.tailed.delete(log);
    this.tailBytes -= tail.bytes;
    this.letGo(tail);
    log.wasStored();
    this.cold.add(log);
  }

  /** A log has a tail no more; a snapshot may. */
  private letGo(tail: RowLog | undefined): void {
    if (tail === undefined || !this.held.has(tail)) return;
    this.heldBytes += tail.bytes - (this.held.get(tail) as number);
    this.held.set(tail, tail.bytes);
  }

  private write(log: StoredLog, tail: RowLog): void {
    const { name, row, writer, writes, values } = this;
    const { prefix, side, stored } = log;
    for (let i = 0; i < tail.n; i++) {
      tail.read(i, row);
      const since = tail.matched(i);
      writer.add({ side, ts: tail.ts[i] as number, matched: since > 0, key: tail.keyOfRow(i), row });
      name.clear();
      name.add(prefix);
      name.number(stored + i);
      name.end();
      const key = { bytes: name.bytes, start: 0, stop: name.at[1] as number };
      // When it had its partner: a checkpoint after that has told it.
      writes.value(key, since > 0 ? since - 1 : values.number, writer.only());
      if (writes.length > WRITE_BYTES) values.database.write(writes);
    }
  }

  snapshot(): RowsSnapshot {
    const { number, of } = this.values.snapshot();
    const contents = new Map<StoredLog, LogContent>();
    for (const log of this.open.values()) {
      const { stored, tail } = log;
      contents.set(log, { stored, tail });
      if (tail !== undefined && !this.held.has(tail)) this.held.set(tail, 0);
    }
    this.snapshots++;
    return { number, of, contents, release: () => this.release(of) };
  }

  private release(of: DatabaseSnapshot): void {
    of.release();
    if (--this.snapshots > 0) return;
    this.held.clear();
    this.heldBytes = 0;
  }
}

/** A key of rows that are in memory. */
interface TailKey {
  readonly log: StoredLog;
  readonly text: string;
  readonly entry: number;
}

const tailKey = (log: StoredLog, entry: number): TailKey => {
  return { log, entry, text: keyText((log.tail as RowLog).keyAt(entry)) };
};

function rowsOf({ tail, stored }: StoredLog, entry: number): RowTime[] {
  const rows: RowTime[] = [];
  if (tail === undefined) return rows;
  for (let row = tail.first(entry); row >= 0; row = tail.next(row))
    rows.push({ number: stored + row, ts: tail.ts[row] as number });
  return rows;
}
