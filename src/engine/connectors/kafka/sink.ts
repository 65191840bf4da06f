import type { SinkFactory } from "../connector.ts";
import type { KafkaSinkConfig } from "./config.ts";
import { openTopicWriter } from "./topic-writer.ts";
import { withMetadata } from "./write-metadata.ts";

/**
 * Writes to one topic, in order per partition; keys go where Kafka's default partitioner sends them. ExactlyOnce writes
 * all that lies between two checkpoints in one transaction.
 */
export function kafkaSinkWith(options: { readonly refreshMs?: number }): SinkFactory {
  return {
    open: async (plan, context) => {
      const config = plan as KafkaSinkConfig;
      const { sink } = await openTopicWriter({ config, context, ...options });
      const { topic, metadata } = config;
      return metadata === undefined ? sink : withMetadata(sink, { topic, field: metadata }, context);
    },
  };
}

export const kafkaSink = kafkaSinkWith({});
