import { canonicalJson } from "../../canonical-json.ts";
import type { KafkaConnectionConfig } from "./config.ts";

/** What is one cluster to all that is committed there: the same brokers, reached as the same user. */
export function clusterName({ brokers, tls, sasl }: KafkaConnectionConfig): string {
  return `kafka ${canonicalJson({ brokers: brokers.toSorted(), tls: tls ?? null, sasl: sasl ?? null })}`;
}
