import { WeirError } from "../../../errors.ts";
import type { CompressionName } from "./compression.ts";

/** What the plan holds of a Kafka connection: the addresses to ask first. */
export interface KafkaConnectionConfig {
  readonly brokers: readonly string[];
  readonly tls?: unknown;
  readonly sasl?: unknown;
}

/** A connection that asks for protection is never opened without it. */
export function plaintextBrokers({ brokers, tls, sasl }: KafkaConnectionConfig): readonly string[] {
  const asked = tls !== undefined ? "tls" : "sasl";
  if (tls === undefined && sasl === undefined) return brokers;
  throw new WeirError(
    "SPEC_NOT_IMPLEMENTED",
    `the connection to ${brokers.join(", ")} asks for ${asked}, which is not implemented in this version of Weir`,
  );
}

export interface KafkaSourceConfig extends KafkaConnectionConfig {
  readonly topics: readonly string[];
  /** "Earliest" (the default), "Latest", or an RFC 3339 time. */
  readonly startFrom?: string;
  /** Group under which progress is shown; weir.<namespace>.<job>.<node> without it. */
  readonly groupId?: string;
  readonly isolation?: "ReadCommitted" | "ReadUncommitted";
}

export interface KafkaSinkConfig extends KafkaConnectionConfig {
  readonly topic: string;
  readonly compression?: CompressionName;
  readonly batching?: {
    readonly count?: number;
    /** Kubernetes quantity. */
    readonly bytes?: string | number;
    /** Duration, for example "50ms". */
    readonly interval?: string;
  };
}
