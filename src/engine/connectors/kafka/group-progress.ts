import { commitOffsets, findCoordinator } from "./calls.ts";
import type { Cluster } from "./cluster.ts";
import { ErrorCode } from "./error-codes.ts";

export interface GroupOffset {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
}

/**
 * Shows progress to Kafka's own tools by committing offsets to a consumer group. Nothing depends on it, a restore
 * takes the checkpoint's positions: so a commit that fails is left to the next checkpoint.
 */
export function groupProgress(
  group: string,
  cluster: Cluster,
): { commit(offsets: readonly GroupOffset[]): Promise<void> } {
  const PURPOSE = "control";
  let coordinator: string | undefined;
  const attempt = async (offsets: readonly GroupOffset[]): Promise<number> => {
    if (coordinator === undefined) {
      const found = await findCoordinator(await cluster.any(PURPOSE), group);
      if (found.error !== ErrorCode.None) return found.error;
      coordinator = found.address;
    }
    return commitOffsets(await cluster.connection(coordinator, PURPOSE), group, offsets);
  };
  return {
    commit: async (offsets) => {
      try {
        if ((await attempt(offsets)) !== ErrorCode.None) coordinator = undefined;
      } catch {
        coordinator = undefined;
      }
    },
  };
}
