import { describe, expect, it } from "vitest";
import { connectorContext } from "../../../../test/builders/connector-context.ts";
import type { SourceContext } from "../connector.ts";
import type { Metadata } from "./metadata-call.ts";
import { partitionGrowth } from "./growth.ts";
import { startPartition } from "./partition.ts";
import { partitionOf, splitsOf } from "./splits.ts";

const metadata = (counts: Readonly<Record<string, number>>): Metadata => ({
  brokers: new Map([[1, "k:9092"]]),
  topics: new Map(
    Object.entries(counts).map(([topic, count]) => [
      topic,
      { error: 0, partitions: Array.from({ length: count }, () => ({ leader: 1, leaderEpoch: 0 })) },
    ]),
  ),
});

/** What a slot takes on when the topics have grown from `before` to `now`. */
async function taken(before: Record<string, number>, now: Record<string, number>, slot: number, slots: number) {
  const topics = Object.keys(before);
  const context = connectorContext();
  const plain = context.source;
  const splits = splitsOf(topics, metadata(before), plain);
  const ctx: SourceContext = { ...plain, deal: { slot, slots, splits } };
  const partitions = splits
    .filter((split) => split.index % slots === slot)
    .map((split) => {
      const place = partitionOf(split);
      return startPartition({ split, ...place, siblings: before[place.topic] ?? 0, topicId: undefined, offset: 0 });
    });
  const found: string[] = [];
  const growth = partitionGrowth({
    topics,
    partitions,
    ctx,
    takeOn: (added) => {
      found.push(...added.map((split) => split.id));
      return Promise.resolve();
    },
  });
  for (let looks = 0; looks < 3; looks++) {
    growth.look(metadata(now));
    await new Promise(setImmediate);
  }
  return { found, said: context.problems.map((problem) => problem?.message ?? "") };
}

describe("partitions that are added while a job runs", () => {
  it("go to exactly one slot each, once", async () => {
    const slots = await Promise.all([0, 1, 2].map((slot) => taken({ a: 2, b: 2 }, { a: 4, b: 4 }, slot, 3)));
    expect(slots.map((slot) => slot.found)).toEqual([["a-3"], ["a-2", "b-3"], ["b-2"]]);
  });

  it("are nobody's until the next start where they come between the others, and the job says so", async () => {
    const [first, second] = await Promise.all([0, 1].map((slot) => taken({ a: 1, b: 2 }, { a: 2, b: 2 }, slot, 2)));
    expect([first?.found, second?.found]).toEqual([[], []]);
    expect(first?.said[0]).toMatch(/topic "a" has 2 partitions now, 1 at the start: .* restart the job/);
  });

  it("are left alone while there are none", async () => {
    expect(await taken({ a: 3 }, { a: 3 }, 0, 1)).toEqual({ found: [], said: [] });
  });
});
