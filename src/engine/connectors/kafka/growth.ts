import { messageOf } from "../../../errors.ts";
import type { SourceContext, Split } from "../connector.ts";
import type { Metadata } from "./metadata-call.ts";
import type { Partition } from "./partition.ts";
import { partitionCount, splitsOf } from "./splits.ts";

/** Watches for partitions that are added while the job runs. */
export interface Growth {
  look(metadata: Metadata): void;
  /** Reading must not go on. */
  stalled(): boolean;
}

export interface GrowthOptions {
  readonly topics: readonly string[];
  readonly partitions: readonly Partition[];
  readonly ctx: SourceContext;
  /** Begins to read these, too. */
  readonly takeOn: (splits: readonly Split[], metadata: Metadata) => Promise<void>;
}

/**
 * With `partitionedBy` a new partition takes over keys whose state lies in another shard: going on would split their
 * aggregates, so reading stalls with the reason. Elsewhere the new ones are read, each by the slot whose turn it is, which
 * every slot works out by itself from the same list.
 */
export function partitionGrowth({ topics, partitions, ctx, takeOn }: GrowthOptions): Growth {
  const before = new Map(partitions.map((p) => [p.topic, p.siblings]));
  let dealt = ctx.deal?.splits.map((split) => split.id);
  let stalled = false;
  let taking = false;

  const stall = (metadata: Metadata): void => {
    for (const [topic, count] of before) {
      const now = partitionCount(metadata, topic);
      if (now === count) continue;
      stalled = true;
      const message = `reading stalls: ${growthMessage(topic, count, now)}`;
      ctx.report({ code: "SOURCE_UNREACHABLE", message, nextTryAt: ctx.clock.now() });
    }
  };
  const leave = (metadata: Metadata): void => {
    for (const [topic, count] of before) {
      const now = partitionCount(metadata, topic);
      if (now <= count) continue;
      const message = `topic "${topic}" has ${now} partitions now, ${count} at the start: the new ones are read when all workers have started again; restart the job`;
      ctx.report({ code: "SOURCE_UNREACHABLE", message, nextTryAt: ctx.clock.now() });
    }
  };
  const grow = async (metadata: Metadata): Promise<void> => {
    const { deal } = ctx;
    const splits = splitsOf(topics, metadata, ctx);
    // Between the others, a new one would move them to other slots.
    if (deal === undefined || dealt?.every((id, i) => splits[i]?.id === id) !== true) {
      leave(metadata);
      return;
    }
    if (splits.length <= dealt.length) return;
    const mine = splits.slice(dealt.length).filter((split) => split.index % deal.slots === deal.slot);
    if (mine.length > 0) await takeOn(mine, metadata);
    dealt = splits.map((split) => split.id);
  };
  return {
    look: (metadata) => {
      if (ctx.partitionedBy !== null) {
        stall(metadata);
        return;
      }
      if (taking) return;
      taking = true;
      grow(metadata)
        .catch((error: unknown) => {
          if (ctx.signal.aborted) return;
          const message = `Kafka: added partitions cannot be read yet: ${messageOf(error)}`;
          ctx.report({ code: "SOURCE_UNREACHABLE", message, nextTryAt: ctx.clock.now() });
        })
        .finally(() => (taking = false));
    },
    stalled: () => stalled,
  };
}

export function growthMessage(topic: string, before: number, now: number): string {
  return (
    `topic "${topic}" had ${before} partitions and has ${now} now, so its keys have moved to other partitions than ` +
    `their state. Take partitionedBy out of the source: then the job goes on, and finds keys by their hash`
  );
}
