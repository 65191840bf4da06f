import type { OutRecord } from "../connectors/connector.ts";
import { JOIN_MIGRATIONS, JOIN_STATE_VERSION, readRows, RowWriter } from "../joins/row-codec.ts";
import { NO_ROW } from "../joins/row.ts";
import type { RowAt } from "../joins/row.ts";
import type { PlanNode } from "../plan.ts";
import type { KeyedNode, KeyedSnapshot } from "../program.ts";
import { requireRestorable } from "../windows/restorable.ts";
import { hasNull, NO_ROWS } from "./lookup-port.ts";
import type { LookupAnswer, LookupPort } from "./lookup-port.ts";

export type LookupNode = Extract<PlanNode, { kind: "lookup" }>;

interface Asked {
  readonly kind: "record";
  readonly key: string;
  readonly left: RowAt;
  readonly ts: number;
  readonly split: number;
  readonly answer: LookupAnswer;
}
type Item =
  | Asked
  | { readonly kind: "watermark"; readonly watermark: number }
  | { readonly kind: "idle"; readonly idle: boolean };

/** What the chain behind a lookup does with a record: once for each row, or with what keeps it from having an answer. */
export interface Answered {
  found(left: RowAt, right: RowAt, split: number, ts: number): void;
  failed(left: RowAt, problem: string, split: number, ts: number): void;
}

const MOST_AT_ONCE = 1024;
const NOTHING: Answered = { found: () => undefined, failed: () => undefined };

/**
 * The records of a lookup that wait for their answers, in the order they came, and between them how far event time has
 * come. A checkpoint keeps the records that wait, by the split they came from; a restore asks for them again.
 */
export class LookupQueue implements KeyedNode {
  readonly node: string;
  readonly stateVersion = JOIN_STATE_VERSION;
  readonly migrations = JOIN_MIGRATIONS;
  readonly stateSignature = "on its way;join=lookup";
  readonly onlyOnItsWay = true;
  /** It has none of its own: what waits comes before any watermark of after a restore. */
  readonly watermark = Number.NEGATIVE_INFINITY;
  behind: Answered = NOTHING;
  readonly capacity: number;
  private readonly keepsUnmatched: boolean;
  private readonly port: LookupPort;
  private items: Item[] = [];
  private head = 0;
  private records = 0;
  private readonly restored = new Set<number>();

  constructor({ name, joinType, lookup }: LookupNode, port: LookupPort) {
    this.node = name;
    this.capacity = lookup.capacity;
    this.keepsUnmatched = joinType === "Left";
    this.port = port;
  }

  /** Records that wait. */
  get pending(): number {
    return this.records;
  }

  get full(): boolean {
    return this.records >= this.capacity;
  }

  append(record: OutRecord, split: number): void {
    const { value, start, end, ts, key: keyBytes, keyStart, keyEnd } = record;
    const key = keyBytes?.toString("utf8", keyStart, keyEnd) ?? "null";
    const bytes = Buffer.from(value.subarray(start, end));
    this.put({ key, left: { bytes, start: 0, end: bytes.length }, ts, split });
  }

  private put(record: Pick<Asked, "key" | "left" | "ts" | "split">): void {
    const answer = hasNull(record.key) ? NO_ROWS : this.port.ask(record.key);
    this.items.push({ kind: "record", ...record, answer });
    this.records++;
  }

  /** Says later, when the records before have gone on. */
  readonly time = {
    watermark: (watermark: number): void => {
      if (this.items.length > this.head && this.items.at(-1)?.kind === "watermark") this.items.pop();
      this.items.push({ kind: "watermark", watermark });
    },
    idle: (idle: boolean): void => void this.items.push({ kind: "idle", idle }),
  };

  /** Hands answered records on; gives the next sign between records, true where records went on, false where nothing is due. */
  next(): Exclude<Item, Asked> | boolean {
    for (let n = 0; n < MOST_AT_ONCE; n++) {
      const item = this.items[this.head];
      if (item === undefined) return n > 0;
      if (item.kind !== "record") {
        if (n > 0) return true;
        this.leave();
        return item;
      }
      if (item.answer.state === "asked") return n > 0;
      this.leave();
      this.records--;
      this.handOn(item);
    }
    return true;
  }

  private leave(): void {
    this.head++;
    if (this.head < this.items.length && this.head < MOST_AT_ONCE) return;
    this.items = this.items.slice(this.head);
    this.head = 0;
  }

  private handOn({ answer, left, split, ts }: Asked): void {
    if (answer.state === "failed") {
      this.behind.failed(left, answer.problem, split, ts);
      return;
    }
    for (const bytes of answer.rows) this.behind.found(left, { bytes, start: 0, end: bytes.length }, split, ts);
    if (answer.rows.length === 0 && this.keepsUnmatched) this.behind.found(left, NO_ROW, split, ts);
  }

  private waiting(): Map<number, Asked[]> {
    const records = this.items.slice(this.head).filter((item) => item.kind === "record");
    return Map.groupBy(records, (record) => record.split);
  }

  shards(): readonly number[] {
    return [...this.waiting().keys()].toSorted((a, b) => a - b);
  }

  beginSnapshot(): KeyedSnapshot {
    const waiting = this.waiting();
    return { chunks: (shard) => chunksOf(waiting.get(shard) ?? []), release: () => waiting.clear() };
  }

  restore(shard: number, chunks: readonly Buffer[], stateVersion: number): void {
    const isOwned = this.restored.has(shard);
    requireRestorable(this.node, { index: shard, isOwned, stateVersion, known: JOIN_STATE_VERSION });
    this.restored.add(shard);
    for (const chunk of chunks)
      readRows(chunk, ({ ts, key, row }) => {
        const text = chunk.toString("utf8", key.start, key.stop);
        this.put({ key: text, left: { ...row }, ts, split: shard });
      });
  }

  /** What waits is no key of state. */
  size(): number {
    return 0;
  }
}

function* chunksOf(records: readonly Asked[]): Generator<Buffer> {
  const writer = new RowWriter(Number.NEGATIVE_INFINITY);
  for (const { key, left, ts } of records) {
    const bytes = Buffer.from(key);
    writer.add({ side: 0, matched: false, ts, key: { bytes, start: 0, stop: bytes.length }, row: left });
    if (writer.full()) yield writer.take();
  }
  yield writer.take();
}
