import { describe, expect, it } from "vitest";
import type { PipelineNode } from "../../src/api/pipeline.schema.ts";
import type { KeyedProcessFunction } from "../../src/engine/functions/author.ts";
import type { Program } from "../../src/engine/program.ts";
import { BACKENDS, backendRigs, send, type Event } from "../builders/backend-rig.ts";
import { restarted } from "../builders/restarted-programs.ts";

const rigOf = backendRigs();
const MINUTE = 60_000;
const at = (k: string, minutes: number, v: number): Event => ({ k, ts: minutes * MINUTE, v });
const counting: KeyedProcessFunction = {
  onRecord: (_, { key, state, emit }) => {
    const count = state.value<number>("count");
    const n = (count.get() ?? 0) + 1;
    count.set(n);
    emit({ k: key, n });
  },
};
const counted = [
  { k: "old", n: 1 },
  { k: "young", n: 2 },
];
const pairs = { leftKey: "left.k", rightKey: "right.k", select: { k: "left.k", v: "right.v" } };

interface Kind {
  readonly kind: string;
  readonly node: (ttl: string) => Partial<PipelineNode>;
  /** Of another record of each key: `old` is forgotten, `young` is not. */
  readonly gives: readonly object[];
}
const kinds: readonly Kind[] = [
  { kind: "an aggregate", node: (ttl) => ({ aggregate: { n: "count()" }, ttl }), gives: counted },
  { kind: "a function", node: (ttl) => ({ process: { function: "fn", ttl } }), gives: counted },
  { kind: "dedup", node: (ttl) => ({ dedup: { ttl } }), gives: [at("old", 30, 2)] },
  { kind: "distinct", node: (ttl) => ({ distinct: { by: "event.k", ttl } }), gives: [at("old", 30, 2)] },
  {
    kind: "topN",
    node: (ttl) => ({ topN: { size: 1, by: "event.v", order: "Ascending" }, ttl }),
    gives: [{ k: "old", rank: 1 }],
  },
  { kind: "a join", node: (ttl) => ({ join: pairs, ttl }), gives: [{ k: "young", v: 1 }] },
];

const ways = BACKENDS.flatMap((before) => BACKENDS.map((after) => [before, after] as const));

describe.each(ways)(
  "what %s has saved with a longer time to live, restored by %s with a shorter one",
  (before, after) => {
    it.each(kinds)("has no key of $kind that is older than the shorter one", ({ kind, node, gives }) => {
      const fn = kind === "a function" ? counting : undefined;
      const [long, short] = [rigOf(node("1h"), fn), rigOf(node("10m"), fn)];
      const saved = long.start(before);
      send(saved, [at("old", 0, 1), at("young", 25, 1)], 0, kind === "a join" ? "others" : "events");
      for (const input of saved.inputs.keys()) saved.advanceWatermark(input, 30 * MINUTE);
      const [restored] = restarted([saved], [short.start(after)]) as [Program];
      send(restored, [at("old", 30, 2), at("young", 30, 2)]);
      expect(short.take()).toMatchObject(gives);
    });
  },
);
