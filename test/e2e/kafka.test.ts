import { describe } from "vitest";
import { describeKafkaQuickstart } from "../builders/kafka-story.ts";
import { startKafka } from "../servers/kafka.ts";
import { nodeCluster } from "../servers/node-cluster.ts";
import { nodeStory } from "../servers/node-story.ts";
import { installWeir } from "../servers/node-weir.ts";

const node = nodeCluster();
const { hostAddress } = node.facts;

/** The broker runs on this machine, beside the node. */
describe.skipIf(hostAddress === undefined)("Kafka beside a real node", () => {
  describeKafkaQuickstart({
    name: "a real node",
    start: async () => {
      const namespace = await node.namespace("kafka");
      const [kafka] = await Promise.all([startKafka({}, [], hostAddress), installWeir(node, namespace)]);
      return { kafka, cluster: await nodeStory(node, namespace) };
    },
  });
});
