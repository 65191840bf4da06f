import type { TlsConfig } from "../credentials.ts";
import type { CompressionName } from "./compression.ts";

export type SaslMechanism = "Plain" | "ScramSha256" | "ScramSha512";

export interface SaslConfig {
  readonly mechanism: SaslMechanism | "OAuthBearer";
  /** Secret with username and password. */
  readonly secretRef: { readonly name: string };
}

/** What the plan holds of a Kafka connection: the addresses to ask first, and references to what proves who is who. */
export interface KafkaConnectionConfig {
  readonly brokers: readonly string[];
  readonly tls?: TlsConfig;
  readonly sasl?: SaslConfig;
}

export interface KafkaSourceConfig extends KafkaConnectionConfig {
  readonly topics: readonly string[];
  /** "Earliest" (the default), "Latest", or an RFC 3339 time. */
  readonly startFrom?: string;
  /** Group under which progress is shown; weir.<namespace>.<job>.<node> without it. */
  readonly groupId?: string;
  readonly isolation?: "ReadCommitted" | "ReadUncommitted";
  /** Where to go on when the next offset is not there any more; "Fail" (the default) ends the job. */
  readonly offsetReset?: "Fail" | "Earliest" | "Latest";
  /** Field of the record that gets its key, headers, timestamp and place. */
  readonly metadata?: string;
}

export interface KafkaSinkConfig extends KafkaConnectionConfig {
  readonly topic: string;
  /** Field of the record that has its key, headers and timestamp; it is no part of the value that is written. */
  readonly metadata?: string;
  readonly compression?: CompressionName;
  readonly batching?: {
    readonly count?: number;
    /** Kubernetes quantity. */
    readonly bytes?: string | number;
    /** Duration, for example "50ms". */
    readonly interval?: string;
  };
}
