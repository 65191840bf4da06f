import { commitOffsets, findCoordinator } from "./calls.ts";
import type { Cluster } from "./cluster.ts";
import { ErrorCode, errorWithRight, isDenied } from "./error-codes.ts";

export interface GroupOffset {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
}

/**
 * Shows progress to Kafka's own tools by committing offsets to a consumer group. Nothing depends on it, a restore
 * takes the checkpoint's positions: so a commit that fails is left to the next checkpoint. What only people can mend
 * is thrown, once until it is another.
 */
export function groupProgress(
  group: string,
  cluster: Cluster,
): { commit(offsets: readonly GroupOffset[]): Promise<void> } {
  const PURPOSE = "control";
  let coordinator: string | undefined;
  let told = "";
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
      let error: number;
      try {
        error = await attempt(offsets);
      } catch {
        coordinator = undefined;
        return;
      }
      if (error !== ErrorCode.None) coordinator = undefined;
      const problem = problemOf(group, error);
      const isNew = problem !== told;
      told = problem;
      if (isNew && problem !== "") throw new Error(problem);
    },
  };
}

function problemOf(group: string, error: number): string {
  const text = `Kafka shows no progress of this source in consumer group ${group}`;
  if (isDenied(error)) return `${text}: ${errorWithRight(error, `Read on group ${group}`)}`;
  if (error !== ErrorCode.UnknownMemberId && error !== ErrorCode.IllegalGeneration) return "";
  return `${text}: other consumers are its members; give the source a groupId of its own`;
}
