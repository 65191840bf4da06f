import type { KafkaConnectionConfig } from "../kafka/config.ts";

/** What the sink and the source of one exchange share. */
export interface ExchangeConfig extends KafkaConnectionConfig {
  /** By `exchangeTopic`. */
  readonly topic: string;
  /** As many as the job has shards: a key's partition is its shard. */
  readonly partitions: number;
  /** How many slots write. */
  readonly slots: number;
  /** Whether writers commit, so that readers must leave out what they have not. */
  readonly committed: boolean;
  /** How many completed checkpoints a slot keeps: what the oldest of them has read may be deleted. */
  readonly retain: number;
}
