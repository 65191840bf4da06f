import type { SinkFactory } from "../connector.ts";
import type { KafkaSinkConfig } from "./config.ts";
import { openTopicWriter } from "./topic-writer.ts";

/**
 * Writes to one topic, in order per partition; keys go where Kafka's default partitioner sends them. ExactlyOnce writes
 * all that lies between two checkpoints in one transaction.
 */
export const kafkaSink: SinkFactory = {
  open: async (config, context) => (await openTopicWriter({ config: config as KafkaSinkConfig, context })).sink,
};
