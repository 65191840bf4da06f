import type { SavepointPart } from "../api/worker-protocol.ts";
import { completeSavepoint, type SavepointMetadata } from "../engine/checkpoint/savepoint.ts";
import type { StorageOpener } from "../engine/checkpoint/storage.ts";
import { WeirError } from "../errors.ts";

export interface Sealing {
  seal(
    id: string,
    savepoint: { readonly uri: string; readonly parts: readonly SavepointPart[] },
  ): Promise<SavepointMetadata>;
  /** Nobody waits for it any more; nothing where it is over. */
  abandon(id: string, why: Error): void;
  /** The savepoint that is verified now. */
  readonly underway: string | undefined;
}

interface Begun {
  readonly id: string;
  readonly of: string;
  readonly metadata: Promise<SavepointMetadata>;
  readonly unwanted: AbortController;
  isOver: boolean;
}

/**
 * Verifying a large savepoint takes longer than a caller waits: one who asks again joins what runs, or has its result at
 * once. Only the newest is remembered, as a job takes one savepoint at a time, and one before it ends; what failed is tried anew.
 */
export function sealing(openStorage: StorageOpener): Sealing {
  let newest: Begun | undefined;
  const begin = (id: string, of: string, complete: (unwanted: AbortSignal) => Promise<SavepointMetadata>): Begun => {
    const unwanted = new AbortController();
    const begun: Begun = { id, of, metadata: complete(unwanted.signal), unwanted, isOver: false };
    begun.metadata.then(
      () => {
        begun.isOver = true;
      },
      () => {
        begun.isOver = true;
        if (newest === begun) newest = undefined;
      },
    );
    return begun;
  };
  return {
    seal: (id, { uri, parts }) => {
      // With other parts, of a worker that was restarted, it is not the same.
      const of = JSON.stringify([id, uri, parts]);
      if (newest?.of === of) return newest.metadata;
      newest?.unwanted.abort(new WeirError("CHECKPOINT_UNWRITABLE", `savepoint ${newest.id} gives way to ${id}`));
      newest = begin(id, of, (unwanted) => completeSavepoint(openStorage(uri), parts, unwanted));
      return newest.metadata;
    },
    abandon: (id, why) => {
      if (newest?.id === id && !newest.isOver) newest.unwanted.abort(why);
    },
    get underway() {
      return newest?.isOver === false ? newest.id : undefined;
    },
  };
}
