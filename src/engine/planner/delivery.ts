import { WeirError } from "../../errors.ts";
import { clusterName } from "../connectors/kafka/cluster-name.ts";
import type { KafkaSinkConfig } from "../connectors/kafka/config.ts";
import type { Delivery, PlanSink } from "../plan.ts";

/**
 * How a connector keeps ExactlyOnce; one that is not here delivers at least once. `Decides`: a commit in its system is
 * atomic with a marker of the checkpoint, so that system says which checkpoint counts. `Follows`: the checkpoint decides,
 * and its commits can be repeated until they are made.
 */
const EXACTLY_ONCE: Readonly<Record<string, "Decides" | "Follows">> = {
  kafka: "Decides",
  postgres: "Decides",
  mysql: "Decides",
  file: "Follows",
  s3: "Follows",
};
/** Whether a user's sink can is its user's to say; what it needs for it is checked where it is opened. */
const ON_ITS_WORD = "custom";

/** What a sink promises: what it says itself, else what the job says where the connector can. */
export function deliveryOf(
  { node, connector }: Pick<PlanSink, "node" | "connector">,
  own: Delivery | undefined,
  job: Delivery,
): Delivery {
  if (connector === ON_ITS_WORD) return own ?? "AtLeastOnce";
  const able = Object.hasOwn(EXACTLY_ONCE, connector);
  if (own === "ExactlyOnce" && !able) {
    const can = Object.keys(EXACTLY_ONCE).join(", ");
    throw new WeirError(
      "SPEC_NOT_IMPLEMENTED",
      `sink "${node}" cannot deliver ExactlyOnce: ${connector} cannot, only ${can} can; leave out its delivery`,
    );
  }
  return able ? (own ?? job) : "AtLeastOnce";
}

/** Whether the sink's own system says which checkpoint counts. */
export const decides = ({ delivery, connector }: Pick<PlanSink, "delivery" | "connector">): boolean =>
  delivery === "ExactlyOnce" && EXACTLY_ONCE[connector] === "Decides";

/** A crash between the commits of two systems that each decide would leave them at different checkpoints. */
export function refuseTwoDeciders(sinks: readonly PlanSink[]): void {
  const deciders = sinks.filter(decides);
  const systems = Map.groupBy(deciders, systemOf);
  if (systems.size < 2) {
    refuseSharedTopic(deciders);
    return;
  }
  const names = [...systems.values()].map(([first]) => `"${first?.node}"`).join(" and ");
  throw new WeirError(
    "PIPELINE_INVALID",
    `the sinks ${names} cannot both deliver ExactlyOnce: each commits a transaction of its own, and a crash in between ` +
      `would leave one without the other; set delivery: AtLeastOnce on all but one, or write to one Kafka cluster through one connection`,
  );
}

/** What commits at once: all Kafka sinks of one cluster, else each sink by itself. */
function systemOf({ node, connector, config }: PlanSink): string {
  return connector === "kafka" ? clusterName(config as KafkaSinkConfig) : node;
}

/** In one transaction there is one count of what went into a partition, so one sink must write it. */
function refuseSharedTopic(sinks: readonly PlanSink[]): void {
  const writers = Map.groupBy(
    sinks.filter((s) => s.connector === "kafka"),
    (s) => (s.config as KafkaSinkConfig).topic,
  );
  for (const [topic, all] of writers) {
    if (all.length < 2) continue;
    const names = all.map((s) => `"${s.node}"`).join(" and ");
    throw new WeirError(
      "PIPELINE_INVALID",
      `the sinks ${names} cannot both write topic "${topic}" with ExactlyOnce; use one sink with from: [...] of both inputs`,
    );
  }
}

/** What the job as a whole promises: no more than its weakest sink. */
export function weakestDelivery(sinks: readonly PlanSink[]): Delivery {
  return sinks.length > 0 && sinks.every((s) => s.delivery === "ExactlyOnce") ? "ExactlyOnce" : "AtLeastOnce";
}
