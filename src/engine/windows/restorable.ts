import { WeirError } from "../../errors.ts";
import { STATE_VERSION } from "./entry-codec.ts";

/** Refuses a shard in a form that is not known, and one that is already there. */
export function requireRestorable(
  node: string,
  shard: { index: number; isOwned: boolean; stateVersion: number; known?: number },
): void {
  const { index, isOwned, stateVersion, known = STATE_VERSION } = shard;
  if (stateVersion !== known)
    throw new WeirError("RESTORE_REFUSED", `node "${node}": state version ${stateVersion} is not known`);
  if (isOwned) throw new WeirError("INTERNAL", `node "${node}": shard ${index} is restored twice`);
}
