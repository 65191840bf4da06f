import type { SavepointPart } from "../api/worker-protocol.ts";
import { completeSavepoint, type SavepointMetadata } from "../engine/checkpoint/savepoint.ts";
import type { StorageOpener } from "../engine/checkpoint/storage.ts";

type Seal = (
  id: string,
  savepoint: { readonly uri: string; readonly parts: readonly SavepointPart[] },
) => Promise<SavepointMetadata>;

/**
 * Verifying a large savepoint takes longer than a caller waits: one who asks again joins what runs, or has its result at
 * once. Only the newest is remembered, as a job takes one savepoint at a time; what failed is tried anew.
 */
export function sealing(openStorage: StorageOpener): Seal {
  let newest: { readonly of: string; readonly metadata: Promise<SavepointMetadata> } | undefined;
  return (id, { uri, parts }) => {
    // With other parts, of a worker that was restarted, it is not the same.
    const of = JSON.stringify([id, uri, parts]);
    if (newest?.of === of) return newest.metadata;
    const metadata = completeSavepoint(openStorage(uri), parts);
    const begun = { of, metadata };
    newest = begun;
    metadata.catch(() => {
      if (newest === begun) newest = undefined;
    });
    return metadata;
  };
}
