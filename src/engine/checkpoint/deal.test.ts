import { describe, expect, it } from "vitest";
import type { Split } from "../connectors/connector.ts";
import { dealSource, restoreKeyed, type DealtSource } from "./deal.ts";
import type { KeyedNode } from "../program.ts";
import type { SlotIdentity } from "./layout.ts";
import { manifestSchema, saveWatermark } from "./manifest.ts";
import type { RestoredState } from "./restore.ts";
import type { SavedShard } from "./snapshot-reader.ts";

const who = { namespace: "default", job: "j", jobUid: "u", lineage: "l", epoch: 3, attempt: 0 };
const slotOf = (slot: number, slots = 2, epoch = 3): SlotIdentity => ({ ...who, slot, slots, epoch });
const listed = (ids: string): Split[] => ids.split(" ").map((id, index) => ({ id, index }));
const ids = (dealt: DealtSource): string[] => dealt.assigned.map((a) => a.split.id);

/** A checkpoint of the slot, as it would be restored, taken after it was dealt `dealt`. */
function checkpointOf(identity: SlotIdentity, { assigned, splitCount, listing }: DealtSource): RestoredState {
  const splits = assigned.map(({ split }) => ({ ...split, position: { at: split.id }, watermark: 7 }));
  const manifest = manifestSchema.parse({
    ...identity,
    version: 1,
    id: 1,
    takenAt: 0,
    planHash: "",
    maxParallelism: 8,
    sources: [{ node: "files", splitCount, listing, watermark: saveWatermark(5), splits }],
    keyed: [],
    sinks: [],
  });
  const parts = [{ uri: "", manifest, shards: new Map(), bySplit: new Map() }];
  return { uri: "", checkpointId: 1, parts, allowNonRestoredState: false, held: false, fellBack: undefined };
}

const deal = (splits: string, identity: SlotIdentity, state?: RestoredState): DealtSource =>
  dealSource("files", listed(splits), identity, state);

describe("a slot that comes back alone in its epoch", () => {
  const restart = (slot: number, before: string, now: string): DealtSource =>
    deal(now, slotOf(slot), checkpointOf(slotOf(slot), deal(before, slotOf(slot))));

  it("keeps its splits when others came in between, and takes none of another slot's", () => {
    for (const slot of [0, 1]) {
      const again = restart(slot, "a c", "a b c d");
      expect(ids(again)).toEqual([["a"], ["c"]][slot]);
      expect(again.assigned[0]?.split.index).toBe(slot);
      const third = deal("a b c d", slotOf(slot), checkpointOf(slotOf(slot), again));
      expect(ids(third)).toEqual(ids(again));
    }
  });

  it("takes what is its own of splits that came behind the old ones", () => {
    expect(ids(restart(0, "a c", "a c d e"))).toEqual(["a", "d"]);
    expect(ids(restart(1, "a c", "a c d e"))).toEqual(["c", "e"]);
  });
});

describe("a new epoch", () => {
  it("deals all splits anew, with the positions of those that were read, and says which were", () => {
    const parts = [0, 1].flatMap((slot) => checkpointOf(slotOf(slot), deal("a c", slotOf(slot))).parts);
    const state = { ...checkpointOf(slotOf(0), deal("a c", slotOf(0))), parts };
    const dealt = deal("a b c", slotOf(0, 1, 4), state);
    expect(dealt.assigned.map((a) => a.position)).toEqual([{ at: "a" }, undefined, { at: "c" }]);
    expect(dealt.assigned[1]?.readBefore).toEqual(["a", "c"]);
  });
});

it("lets go of chunks once they are restored", async () => {
  const state = checkpointOf(slotOf(0), deal("a", slotOf(0)));
  const [{ manifest, uri } = { uri: "" }] = state.parts;
  if (manifest === undefined) throw new Error("no part");
  const head = { stateVersion: 1, stateSignature: "", watermark: saveWatermark(5), shards: [] };
  const keyed = ["count", "gone"].map((node) => ({ ...head, node }));
  const chunksOf =
    (shard: number): SavedShard =>
    () =>
      Promise.resolve([Buffer.of(shard)]);
  const shards = new Map(keyed.map(({ node }) => [node, new Map([1, 2].map((shard) => [shard, chunksOf(shard)]))]));
  const owner = { slot: 0, slots: 2, maxParallelism: 8 };
  const restored: number[] = [];
  const restore: KeyedNode["restore"] = (shard, chunks) => void restored.push(shard, ...chunks.map((c) => c[0] ?? 0));
  const node = { node: "count", restore } as unknown as KeyedNode;
  await restoreKeyed(
    [node],
    { ...state, parts: [{ uri, manifest: { ...manifest, keyed }, shards, bySplit: new Map() }] },
    owner,
  );
  expect(restored).toEqual([1, 1, 2, 2]);
  expect([...shards.values()].map((left) => left.size)).toEqual([0, 0]);
});
