import { describe, expect, it } from "vitest";
import { advance, declared, hashed, partOf, send } from "../../../test/builders/divided-state.ts";
import type { Rig, Row } from "../../../test/builders/divided-state.ts";
import type { PipelineNode } from "../../api/pipeline.schema.ts";

const count = { aggregate: { n: "count()" } };
const tumbling = { ...count, window: { tumbling: { size: "10s" } } };

/** One worker has read key "a" and come to `ahead`, the other key "b" and to `behind`; then a record of each may come. */
async function meeting(
  node: Partial<PipelineNode>,
  { ahead, behind }: { ahead: number; behind: number },
): Promise<Rig> {
  const [first, second] = [declared(node), declared(node)];
  for (const rig of [first, second]) advance(rig, 0);
  const times = [1_000, 11_000, 21_000, 31_000];
  send(
    first,
    0,
    times.filter((ts) => ts > ahead - 10_000).map((ts) => ({ k: "a", ts })),
  );
  send(
    second,
    1,
    times.filter((ts) => ts > behind).map((ts) => ({ k: "b", ts })),
  );
  advance(first, ahead);
  advance(second, behind);
  return await hashed(node, [partOf(first), partOf(second)]);
}

describe("keys that come from workers that had come to different times", () => {
  it("have each window once, as late as the slowest comes to it", async () => {
    const rig = await meeting(tumbling, { ahead: 25_000, behind: 5_000 });
    advance(rig, 5_000);
    expect(rig.take()).toEqual([]);
    send(rig, 1, [{ k: "b", ts: 12_000 }]);
    advance(rig, 19_999);
    expect(rig.take()).toEqual([expect.objectContaining({ k: "b", n: 2 })]);
    advance(rig, 39_999);
    expect(rig.take().map(({ k, n }) => [k, n])).toEqual(
      expect.arrayContaining([
        ["a", 1],
        ["b", 1],
        ["a", 1],
        ["b", 1],
      ]),
    );
  });

  it("are late where it is late for all of them, also in a shard that has no key yet", async () => {
    const rig = await meeting(tumbling, { ahead: 25_000, behind: 15_000 });
    for (let i = 0; i < 20; i++) send(rig, 0, [{ k: `new-${i}`, ts: 9_000 }]);
    expect(rig.take().length).toBe(20);
    advance(rig, 40_000);
    expect(rig.take().filter(({ k }) => String(k).startsWith("new"))).toEqual([]);
  });

  const given =
    /^cannot restore memory:\/\/saved: node state has given results up to 1970-01-01T00:00:25\.000Z for some splits of its source, and up to 1970-01-01T00:00:05\.000Z for others, so some would be given again/;
  it.each<[what: string, node: Partial<PipelineNode>]>([
    ["sliding windows", { ...count, window: { sliding: { size: "20s", every: "10s" } } }],
    ["windows with allowed lateness", { ...count, window: { tumbling: { size: "10s" }, allowedLateness: "20s" } }],
    ["sessions with allowed lateness", { ...count, window: { session: { gap: "2s" }, allowedLateness: "20s" } }],
    ["results by time", { ...count, window: { global: { trigger: { every: "10s" } } } }],
  ])("are refused where %s would be given again", async (_what, node) => {
    // A record that waits for the next boundary.
    const late = async (): Promise<Rig> => {
      const [first, second] = [declared(node), declared(node)];
      send(first, 0, [{ k: "a", ts: 11_000 }]);
      advance(first, 24_000);
      send(first, 0, [{ k: "a", ts: 24_500 }]);
      advance(first, 25_000);
      send(second, 1, [{ k: "b", ts: 11_000 }]);
      advance(second, 5_000);
      return await hashed(node, [partOf(first), partOf(second)]);
    };
    await expect(late()).rejects.toMatchObject({ code: "RESTORE_REFUSED" });
    await expect(late()).rejects.toThrow(given);
  });

  it.each<[what: string, node: Partial<PipelineNode>, rows: number]>([
    ["sliding windows", { ...count, window: { sliding: { size: "20s", every: "10s" } } }, 9],
    ["results by time", { ...count, window: { global: { trigger: { every: "10s" } } } }, 2],
  ])("are taken where no boundary of %s lies between these", async (_what, node, rows) => {
    const rig = await meeting(node, { ahead: 8_500, behind: 5_000 });
    advance(rig, 60_000);
    expect(rig.take().length).toBe(rows);
  });
});

describe("a null key, which is in any split", () => {
  it.each<[what: string, node: Partial<PipelineNode>, rows: readonly Row[]]>([
    ["an aggregate", { aggregate: { n: "count()", sum: "sum(event.ts)" } }, [{ n: 5, sum: 8_500 }]],
    ["a window", tumbling, [{ n: 5 }]],
    [
      "a list of the highest",
      { topN: { size: 4, by: "event.ts" } },
      [
        { rank: 2, record: { k: null, ts: 2_500 } },
        { rank: 3, record: { k: null, ts: 2_000 } },
        { rank: 4, record: { k: null, ts: 1_000 } },
      ],
    ],
  ])("becomes one key of %s", async (_what, node, rows) => {
    const [first, second] = [declared(node), declared(node)];
    const events = [1_000, 0, 2_000, 3_000].map((ts) => ({ k: null, ts }));
    send(first, 0, events.slice(0, 2));
    send(second, 1, events.slice(2));
    const rig = await hashed(node, [partOf(first), partOf(second)]);
    send(rig, 0, [{ k: null, ts: 2_500 }]);
    advance(rig, 60_000);
    expect(rig.take()).toEqual(rows.map((row) => expect.objectContaining({ k: null, ...row }) as unknown));
  });
});
