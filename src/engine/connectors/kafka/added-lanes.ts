import type { Cluster } from "./cluster.ts";
import { Lane } from "./lane.ts";

/** Watches for partitions that are added to a topic while it is written to. */
export interface AddedLanes {
  /** Lanes into those that were found since, behind the others. */
  take(): readonly Lane[];
}

export interface AddedLanesOptions {
  readonly cluster: Cluster;
  readonly topic: string;
  readonly lanes: readonly Lane[];
  readonly refreshMs: number;
  /** Ends it. */
  readonly signal: AbortSignal;
}

/** A look that fails is left to the next one: what is written says by itself that Kafka is out of reach. */
export function addedLanes({ cluster, topic, lanes, refreshMs, signal }: AddedLanesOptions): AddedLanes {
  let found: readonly Lane[] = [];
  let looking = false;
  const look = async (): Promise<void> => {
    const { topics, brokers } = await cluster.metadata([topic]);
    const added = topics.get(topic)?.partitions.slice(lanes.length) ?? [];
    const leaders = added.map(({ leader }) => brokers.get(leader));
    // One that has no leader yet would be in the way of all that is written.
    if (leaders.includes(undefined)) return;
    found = leaders.map((leader, i) => Object.assign(new Lane(lanes.length + i), { leader }));
  };
  const timer = setInterval(() => {
    if (looking) return;
    looking = true;
    look()
      .catch(() => undefined)
      .finally(() => (looking = false));
  }, refreshMs);
  timer.unref();
  signal.addEventListener("abort", () => clearInterval(timer));
  return {
    take: () => {
      const taken = found;
      found = [];
      return taken;
    },
  };
}
