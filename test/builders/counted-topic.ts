/** A job whose output can be judged by itself: for each record of a key, how many there were, exactly once. */
import { planPipeline } from "../../src/engine/planner/plan-pipeline.ts";
import type { Plan } from "../../src/engine/plan.ts";
import { javaProduce } from "../servers/kafka-java.ts";
import type { KafkaServer } from "../servers/kafka.ts";

export interface CountedTopic {
  readonly from: string;
  readonly to: string;
  /** Gets the same as `to` from a sink of its own, with the count in a header, in a job that reads keys and headers, too. */
  readonly also?: string;
  /** The job does not know that the records of a key are in one partition: they go through Kafka to its workers. */
  readonly repartitioned?: boolean;
  readonly partitions: number;
}

/** Creates both topics and fills the first: `records` over `keys` keys, round and round. */
export async function countedTopic(
  kafka: KafkaServer,
  of: { readonly name: string; readonly records: number; readonly keys: number; readonly twoSinks?: boolean },
): Promise<CountedTopic> {
  const { name, records, keys, twoSinks = false } = of;
  const also = twoSinks ? { also: `${name}.also` } : {};
  const topic = { from: `${name}.in`, to: `${name}.out`, ...also, partitions: 6 };
  if (topic.also !== undefined) await kafka.createTopic(topic.also, 3);
  await kafka.createTopic(topic.from, topic.partitions);
  await kafka.createTopic(topic.to, 4);
  const lines = Array.from({ length: records }, (_, i) => {
    const key = `k${i % keys}`;
    return { key, value: JSON.stringify({ key, i }), timestamp: 1_700_000_000_000 + i };
  });
  await javaProduce(kafka.brokers[0] ?? "", topic.from, ["lz4"], lines);
  return topic;
}

const DESCRIBED = "event.kafka.key == event.key && event.kafka.headers.codec == 'lz4'";

/** `perSecond` 0 is as fast as it can. */
export function countingJob(kafka: KafkaServer, topic: CountedTopic, perSecond: number): Plan {
  const isDescribed = topic.also !== undefined;
  const slowly = perSecond === 0 ? { peek: { every: 1_000_000 } } : { rateLimit: { perSecond, burst: perSecond / 10 } };
  return planPipeline(
    {
      connections: [{ name: "main", kafka: { brokers: [...kafka.brokers] } }],
      nodes: [
        {
          name: "events",
          source: { connection: "main", kafka: { topics: [topic.from], ...(isDescribed && { metadata: "kafka" }) } },
          ...(topic.repartitioned === true ? {} : { partitionedBy: "event.key" }),
        },
        // What it takes for wrong is missing in the end.
        ...(isDescribed ? [{ name: "described", from: ["events"], filter: DESCRIBED }] : []),
        { name: "slowly", from: [isDescribed ? "described" : "events"], ...slowly },
        { name: "counted", from: ["slowly"], keyBy: "event.key", aggregate: { n: "count()" } },
        { name: "out", from: ["counted"], sink: { connection: "main", kafka: { topic: topic.to, key: "event.key" } } },
        ...(topic.also === undefined
          ? []
          : [
              {
                name: "also",
                from: ["counted"],
                sink: { connection: "main", kafka: { topic: topic.also, key: "event.key", headers: { n: "event.n" } } },
              },
            ]),
      ],
    },
    { parameters: {}, maxParallelism: topic.partitions, delivery: "ExactlyOnce" },
  );
}
