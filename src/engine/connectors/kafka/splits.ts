import { WeirError } from "../../../errors.ts";
import type { SourceContext, Split } from "../connector.ts";
import type { Metadata } from "./metadata-call.ts";

/** A partition's place among the splits: by number, then by the order of the topics; so a new one comes behind the others. */
export function splitsOf(topics: readonly string[], metadata: Metadata, ctx: SourceContext): Split[] {
  if (ctx.partitionedBy !== null && topics.length > 1) {
    throw new WeirError(
      "SPEC_NOT_IMPLEMENTED",
      `source "${ctx.node}" says partitionedBy and reads ${topics.length} topics, which is not implemented: a shard would ` +
        `need one watermark for each. Read each topic by a source of its own and join them by a union`,
    );
  }
  const all = topics.flatMap((topic, order) => {
    const count = metadata.topics.get(topic)?.partitions.length ?? 0;
    return Array.from({ length: count }, (_, number) => ({ topic, order, number }));
  });
  return all
    .toSorted((a, b) => a.number - b.number || a.order - b.order)
    .map(({ topic, number }, index) => ({ id: `${topic}-${number}`, index }));
}

export function partitionOf({ id }: Split): { topic: string; number: number } {
  const topic = topicOf(id);
  return { topic, number: Number(id.slice(topic.length + 1)) };
}

export const topicOf = (id: string): string => id.slice(0, id.lastIndexOf("-"));

export const topicId = (metadata: Metadata, topic: string): string | undefined => metadata.topics.get(topic)?.id;

export function partitionCount(metadata: Metadata, topic: string): number {
  return metadata.topics.get(topic)?.partitions.length ?? 0;
}
