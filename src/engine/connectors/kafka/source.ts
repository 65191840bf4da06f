import type { SourceFactory } from "../connector.ts";
import { openCluster, REFRESH_MS, untilReached } from "./cluster.ts";
import type { KafkaSourceConfig } from "./config.ts";
import { readPartitions } from "./reader.ts";
import { splitsOf } from "./splits.ts";
import { startOffsets } from "./start-offsets.ts";

/** Reads Kafka topics; a split is a partition. With one topic its index is the partition's number: the shard of its keys. */
export function kafkaSourceWith({ refreshMs }: { readonly refreshMs: number }): SourceFactory {
  return {
    splits: async (config, ctx) => {
      const source = config as KafkaSourceConfig;
      const cluster = openCluster(source, ctx);
      try {
        const metadata = await untilReached(ctx, "SOURCE_UNREACHABLE", () => cluster.metadata(source.topics));
        return splitsOf(source.topics, metadata, ctx);
      } finally {
        cluster.close();
      }
    },
    open: async (config, assigned, ctx) => {
      const source = config as KafkaSourceConfig;
      const cluster = openCluster(source, ctx);
      try {
        const starts = await startOffsets(source, assigned, cluster, ctx);
        return readPartitions({ source, starts, cluster, ctx, refreshMs });
      } catch (error) {
        cluster.close();
        throw error;
      }
    },
  };
}

export const kafkaSource = kafkaSourceWith({ refreshMs: REFRESH_MS });
