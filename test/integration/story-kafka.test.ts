import { describeKafkaQuickstart } from "../builders/kafka-story.ts";
import { startKafka } from "../servers/kafka.ts";
import { startEmbeddedStory } from "../servers/story-cluster.ts";

describeKafkaQuickstart({
  name: "the embedded cluster",
  start: async () => {
    const [kafka, cluster] = await Promise.all([startKafka(), startEmbeddedStory()]);
    return { kafka, cluster };
  },
});
