import type { BatchHeader } from "./record-batch.ts";

/** Knows which batches of a partition belong to aborted transactions (KIP-98: the consumer leaves them out). */
export interface AbortedTransactions {
  /** From a fetch response: from this offset on, this producer's batches up to its abort marker are void. */
  learn(aborted: readonly { readonly producerId: bigint; readonly firstOffset: number }[]): void;
  /** Batches come in offset order. */
  voids(header: BatchHeader): boolean;
  /** The abort marker of a producer was read: what it writes from here on is another transaction. */
  ended(producerId: bigint): void;
}

export function abortedTransactions(): AbortedTransactions {
  let known: readonly { readonly producerId: bigint; readonly firstOffset: number }[] = [];
  const open = new Set<bigint>();
  return {
    learn: (aborted) => {
      // Each response lists all that touch it, so also those that an earlier one has opened already.
      known = aborted.toSorted((a, b) => a.firstOffset - b.firstOffset);
    },
    voids: (header) => {
      while (known.length > 0 && (known[0]?.firstOffset ?? 0) < header.nextOffset) {
        open.add(known[0]?.producerId ?? -1n);
        known = known.slice(1);
      }
      return header.transactional && open.has(header.producerId);
    },
    ended: (producerId) => {
      open.delete(producerId);
    },
  };
}
