import { BatchWriter, stamp, type Compression, type SealedBatch } from "./batch-writer.ts";
import type { ProducerIdentity } from "./calls.ts";
import type { OutRecord } from "../connector.ts";

/** A sealed batch on its way: it keeps its place and its sequence number until the broker has it. */
export interface Pending extends SealedBatch {
  /** −1 until it is first sent by the current producer. */
  sequence: number;
  /** False for all but the last part of a batch that had to be cut: a flush counts the batch once. */
  readonly completes: boolean;
}

/**
 * The way into one partition: one open batch, then sealed ones in order. Sequence numbers make the order hold over
 * repetitions: the broker takes a batch once, and only behind its predecessor (KIP-98).
 */
export class Lane {
  readonly partition: number;
  leader = "";
  inFlight = false;
  /** The open batch has waited long enough and goes out as soon as the lane is free. */
  due = false;
  readonly queue: Pending[] = [];
  /** Batches sealed and acknowledged so far: what a flush waits for. */
  sealed = 0;
  acknowledged = 0;
  /** Batches beyond this many belong to a later transaction and wait. */
  limit = Infinity;
  #open: BatchWriter | undefined;
  #sequence = 0;

  constructor(partition: number) {
    this.partition = partition;
  }

  get hasOpen(): boolean {
    return this.#open !== undefined;
  }

  get sendable(): boolean {
    return !this.inFlight && this.queue.length > 0 && this.acknowledged < this.limit;
  }

  /** Whether a record needs the open batch to be sealed first. */
  isFullFor(record: OutRecord, maxRecords: number): boolean {
    return this.#open !== undefined && (!this.#open.fits(record) || this.#open.count >= maxRecords);
  }

  append(record: OutRecord, buffer: () => Buffer): void {
    this.#open ??= new BatchWriter(buffer());
    this.#open.append(record);
  }

  /** Closes the open batch; returns the bytes that now wait. */
  seal(compression: Compression): number {
    if (this.#open === undefined) return 0;
    const batch = this.#open.seal(compression);
    this.#open = undefined;
    this.due = false;
    this.sealed++;
    this.queue.push({ ...batch, sequence: -1, completes: true });
    return batch.bytes.length;
  }

  /** The batch to send next, stamped by the producer. */
  next(producer: ProducerIdentity): Pending | undefined {
    const head = this.queue[0];
    if (head === undefined) return undefined;
    if (head.sequence < 0) {
      head.sequence = this.#sequence;
      this.#sequence = (this.#sequence + head.records) % 0x8000_0000;
      stamp(head.bytes, producer, head.sequence);
    }
    return head;
  }

  acknowledge(): Pending | undefined {
    const head = this.queue.shift();
    if (head?.completes === true) this.acknowledged++;
    return head;
  }

  /** The head was too large for the broker: its parts take its place and its sequence numbers. */
  replaceHead(parts: readonly SealedBatch[], producer: ProducerIdentity): void {
    const head = this.queue.shift();
    let sequence = head?.sequence ?? 0;
    const pending = parts.map((part, i) => {
      const own = sequence;
      sequence = (sequence + part.records) % 0x8000_0000;
      stamp(part.bytes, producer, own);
      return { ...part, sequence: own, completes: head?.completes === true && i === parts.length - 1 };
    });
    this.queue.unshift(...pending);
  }

  /** Another producer takes over: everything not acknowledged is numbered anew. */
  restart(): void {
    this.#sequence = 0;
    for (const pending of this.queue) pending.sequence = -1;
  }
}
