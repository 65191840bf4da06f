import { describe, expect, it } from "vitest";
import type { PipelineNode } from "../../src/api/pipeline.schema.ts";
import { restoreDivided } from "../../src/engine/checkpoint/divide.ts";
import { BACKENDS, backendRigs, keys, send } from "../builders/backend-rig.ts";
import type { Backend } from "../builders/backend-rig.ts";
import { advance, increments, partOf, stateOf } from "../builders/divided-state.ts";

const rig = backendRigs();
const MANY = 1_200;
const on = { leftKey: "left.k", rightKey: "right.k", select: { k: "left.k", l: "left.v", r: "right.v" } };
const sessions = { session: { gap: "100ms" } };

const CASES: readonly (readonly [what: string, node: Partial<PipelineNode>])[] = [
  [
    "sessions",
    { aggregate: { n: "count()", first: "first(event.v)" }, window: { ...sessions, allowedLateness: "1s" } },
  ],
  ["rows that wait for versions", { join: { ...on, type: "Left", temporal: {} } }],
  ["rows in few long logs", { join: { ...on, type: "Outer", interval: { before: "10s", after: "5s" } } }],
  ["rows in many short logs", { join: { ...on, type: "Left", interval: { before: "1s", after: "500ms" } } }],
];
const MOVES = BACKENDS.flatMap((from) => BACKENDS.map((to) => [from, to] as const));

/** Of two splits what later checkpoints have of them, some of it changed and some gone. */
async function moved(node: Partial<PipelineNode>, from: Backend, to: Backend) {
  const { start, take } = rig(node);
  const [one, other] = [0, 1].map((split) => {
    const at = { program: start(from), take };
    const taken = increments(at);
    const some = (from: number, to: number, ts: (i: number) => number, source = "events"): void => {
      const names = keys(MANY).slice(from, to);
      const events = names.map((k, i) => ({ k: `${k}-${split}`, ts: ts(from + i), v: ts(i) % 7 }));
      if (node.join !== undefined || source === "events") send(at.program, events, split, source);
    };
    some(0, MANY, (i) => 10_000 + (i % 10) * 400);
    some(0, 700, (i) => 9_950 + (i % 7) * 400, "others");
    taken(split);
    some(0, 30, () => 10_080);
    some(20, 50, () => 12_050, "others");
    advance(at, 11_300);
    taken(split);
    some(100, 120, () => 13_000);
    some(110, 130, () => 12_900, "others");
    return { at, part: partOf(at, new Map([[split, taken(split)]])) };
  });
  if (one === undefined || other === undefined) throw new Error("there are two");
  take();
  const restored = { program: start(to), take };
  const owner = { slot: 0, slots: 1, maxParallelism: 64 };
  await restoreDivided(stateOf(restored), [one.part, other.part], owner, 30_000);
  const results = [[one.at, other.at], [restored]].map((all) => {
    for (const at of all) advance(at, 100_000);
    return take()
      .map((row) => JSON.stringify(row))
      .toSorted();
  });
  return { kept: results[0], after: results[1] };
}

describe.each(CASES)("%s that are shared out anew", (_what, node) => {
  it.each(MOVES)("give from increments of %s what they would have given, in %s", async (from, to) => {
    const { kept, after } = await moved(node, from, to);
    expect(kept?.length).toBeGreaterThan(900);
    expect(after).toEqual(kept);
  });
});
