import { floorOf } from "../windows/chunk-writer.ts";
import type { WindowNode } from "../windows/cells.ts";
import { layoutOf, stateSignature } from "../windows/cells.ts";
import { mergeEntry } from "../windows/merge.ts";
import { readSessions, SESSION_STATE_VERSION, SessionWriter } from "../windows/session-codec.ts";
import { SESSION_START } from "../windows/sessions.ts";
import { fold, newEntry, writeEntry } from "./naive-entry.ts";
import type { NaiveEntry, NaiveRecord } from "./naive-entry.ts";
import { NaiveState } from "./naive-state.ts";
import type { NaiveFire, NaiveRow } from "./naive-state.ts";
import { at0, MERGED } from "./naive-windows.ts";

interface NaiveSession {
  /** In the shard. */
  readonly id: number;
  readonly entry: NaiveEntry;
  end: number;
}

/** Sessions of all keys of a shard in a list, in order of creation. */
interface Sessions {
  list: NaiveSession[];
  created: number;
}

export class NaiveSessions extends NaiveState<Sessions> {
  override readonly stateVersion = SESSION_STATE_VERSION;
  private readonly gap: number;
  private readonly lateness: number;

  constructor(node: WindowNode, gapMs: number) {
    super(node.name, layoutOf(node), stateSignature(node));
    this.gap = gapMs;
    this.lateness = node.allowedLatenessMs;
  }

  protected empty(): Sessions {
    return { list: [], created: 0 };
  }

  add(shardIndex: number, { ts, key, args }: NaiveRecord): readonly NaiveRow[] | "late" {
    const shard = this.open(shardIndex);
    const { held } = shard;
    const touched = held.list.filter((s) => s.entry.key === key && start(s) <= ts + this.gap && s.end >= ts);
    const end = Math.max(ts + this.gap, ...touched.map((s) => s.end));
    if (end - 1 + this.lateness <= this.now(shard)) return "late";
    const [first = { id: held.created, entry: newEntry(this.layout, key), end }, ...others] = touched;
    if (touched.length === 0) this.load(held, first);
    first.entry.cells[SESSION_START] = Math.min(ts, ...touched.map(start));
    first.end = end;
    for (const other of others) mergeEntry(this.layout, at0(first.entry), at0(other.entry), MERGED);
    held.list = held.list.filter((s) => !others.includes(s));
    fold(this.layout, first.entry, args, this.arrival);
    return end - 1 <= this.now(shard) ? [row(first)] : [];
  }

  advance(watermark: number, fire: NaiveFire): void {
    const due: { session: NaiveSession; index: number }[] = [];
    for (const [index, shard] of this.owned)
      for (const session of shard.held.list)
        if (session.end - 1 > this.now(shard) && session.end - 1 <= watermark) due.push({ session, index });
    this.watermark = watermark;
    for (const { session, index } of due.toSorted((a, b) => a.session.end - b.session.end || a.index - b.index))
      fire(row(session), index);
    for (const { held } of this.owned.values())
      held.list = held.list.filter((s) => s.end - 1 + this.lateness > watermark);
  }

  protected saved({ list }: Sessions): readonly NaiveSession[] {
    return list;
  }

  protected override written(saved: readonly NaiveSession[], watermark: number): Buffer {
    const writer = new SessionWriter(this.layout, watermark);
    for (const { id, end, entry } of saved) {
      writer.number(id);
      writeEntry(writer, end, entry);
    }
    return writer.take();
  }

  override restore(index: number, chunks: readonly Buffer[]): void {
    const shard = this.open(index);
    for (const chunk of chunks) shard.floor = Math.max(shard.floor, floorOf(chunk));
    readSessions(chunks, this.layout, (id, decoded) => this.load(shard.held, { id, ...this.loaded(decoded) }));
  }

  protected load(held: Sessions, session: NaiveSession): void {
    held.list.push(session);
    held.created = session.id + 1;
  }

  protected count({ list }: Sessions): number {
    return list.length;
  }
}

const start = ({ entry }: NaiveSession): number => entry.cells[SESSION_START] as number;

function row(session: NaiveSession): NaiveRow {
  const { entry, end } = session;
  const window = [["windowStart", start(session)] as const, ["windowEnd", end] as const];
  return { entry, window, ts: end - 1, where: `of the window ending at ${end}` };
}
