import { WeirError } from "../../../errors.ts";
import type { AssignedSplit, SourceContext, SourceFactory, SourceReader, Split } from "../connector.ts";
import { openCluster, untilReached, type Cluster } from "../kafka/cluster.ts";
import { partitionOf, topicOf } from "../kafka/splits.ts";
import type { ExchangeConfig } from "./config.ts";
import { loadPosition } from "./position.ts";
import { readExchange, type ExchangeStart } from "./reader.ts";
import { generationOf } from "./topic-name.ts";
import { deleteBefore, deleteGenerations, ensureExchange } from "./topics.ts";
import { upstreamOf } from "./upstream.ts";

/** Reads what all slots have written for the shards of this one: a split is a partition is a shard. */
export const exchangeSource: SourceFactory = {
  splits: async (config, ctx) => {
    const exchange = config as ExchangeConfig;
    const cluster = openCluster(exchange, ctx);
    try {
      await untilReached(ctx, "SOURCE_UNREACHABLE", () => ensureExchange(cluster, exchange, ctx));
    } finally {
      cluster.close();
    }
    return Array.from({ length: exchange.partitions }, (_, index): Split => ({
      id: `${exchange.topic}-${index}`,
      index,
    }));
  },
  open: (config, assigned, ctx) => {
    const exchange = config as ExchangeConfig;
    const { topic, partitions } = exchange;
    const starts = assigned.map((each): ExchangeStart => {
      refuseOtherTopic(each, topic);
      const saved = loadPosition(each);
      const { number } = partitionOf(each.split);
      // Nothing was deleted of a partition that has no position: who reads it has not completed a checkpoint.
      const { offset = 0, topicId } = saved ?? {};
      const partition = { split: each.split, topic, number, siblings: partitions, topicId, offset };
      return { partition, upstream: upstreamOf(ctx.epoch ?? 0, saved?.upstream) };
    });
    const cluster = openCluster(exchange, ctx);
    return Promise.resolve(
      readExchange({ exchange, starts, cluster, ctx, checkpointed: cleaner(exchange, cluster, ctx) }),
    );
  },
};

/** A savepoint has no positions; a checkpoint's are in the topic that has what it has not read. */
function refuseOtherTopic({ readBefore = [] }: AssignedSplit, topic: string): void {
  const other = readBefore.map(topicOf).find((read) => read !== topic);
  if (other === undefined) return;
  throw new WeirError(
    "RESTORE_REFUSED",
    `the checkpoint has positions in topic "${other}", and the job's workers would hand each other records in "${topic}": ` +
      `what was on its way would be lost; start the job from a savepoint`,
  );
}

/** Brokers free whole segments, every few minutes: to tell them sooner would only make checkpoints slower. */
const CLEAN_MS = 30_000;

/**
 * Deletes what no kept checkpoint will read again: what the oldest of them has read. Those of an earlier process are not
 * known, so it waits until as many as are kept are its own. The first one lets go of the topics of older generations.
 */
function cleaner(
  { topic, retain }: ExchangeConfig,
  cluster: Cluster,
  { deal, job, clock }: SourceContext,
): NonNullable<SourceReader["checkpointed"]> {
  const kept: (readonly { readonly partition: number; readonly offset: number }[])[] = [];
  let deletesOlder = deal?.slot === 0;
  let cleanedAt = -Infinity;
  return async (positions) => {
    const offsets = [...positions].map(([id, position]) => ({
      partition: partitionOf({ id, index: 0 }).number,
      offset: Number(position["offset"]),
    }));
    kept.push(offsets);
    const oldest = kept.length < Math.max(1, retain) ? [] : (kept.shift() ?? []);
    if (clock.now() - cleanedAt < CLEAN_MS) return;
    cleanedAt = clock.now();
    if (deletesOlder && job !== undefined) {
      await deleteGenerations(cluster, job, generationOf(topic, job) ?? { generation: 0 });
      deletesOlder = false;
    }
    const behind = oldest.filter(({ offset }) => offset > 0);
    if (behind.length > 0) await deleteBefore(cluster, topic, behind);
  };
}
