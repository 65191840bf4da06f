import { afterEach, describe, expect, it } from "vitest";
import { collected } from "../../../test/builders/collected-sink.ts";
import { memoryExchanges } from "../../../test/builders/memory-exchange.ts";
import { runSlot } from "../../../test/builders/running-slot.ts";
import { compile } from "../codegen/compile.ts";
import { planPipeline } from "../planner/plan-pipeline.ts";
import type { RunningSlot } from "./slot.ts";

const plan = planPipeline(
  {
    connections: [{ name: "between", kafka: { brokers: ["nowhere:1"] } }],
    nodes: [
      { name: "events", source: { datagen: { splits: 4, rate: 2_000 } } },
      { name: "counted", from: ["events"], keyBy: "event.tenant", aggregate: { n: "count()" } },
      { name: "out", from: ["counted"], sink: { blackhole: {} } },
    ],
  },
  { parameters: {}, maxParallelism: 4 },
);

const running: RunningSlot[] = [];
afterEach(async () => {
  await Promise.all(running.splice(0).map((slot) => slot.stop("Cancel", false)));
});

/** Far longer than the test may take. */
const TIMEOUT_MS = 600_000;

async function launch(uri: string): Promise<RunningSlot[]> {
  const connectors = memoryExchanges(collected().connectors);
  const start = { exchange: { generation: 1 } };
  const of = { plan, connectors, uri, slots: 2, start, build: compile, checkpoint: { timeoutMs: TIMEOUT_MS } };
  const slots = await Promise.all([0, 1].map((slot) => runSlot({ ...of, slot })));
  running.push(...slots);
  return slots;
}

describe("a savepoint that waits for a worker that is gone", () => {
  it.each([true, false])(
    "lets the sources go on as soon as it is not wanted any more, with pause %s",
    async (pause) => {
      const uri = `memory://crossing-${pause}`;
      const [left, gone] = await launch(uri);
      if (left === undefined || gone === undefined) throw new Error("there are two");
      await gone.stop("Cancel", false);
      const read = (): number => left.measure().totalIn;
      await expect.poll(read).toBeGreaterThan(0);
      const unwanted = new AbortController();
      const part = left.savepoint({ id: "s", uri: `${uri}/s`, pause, drain: false }, unwanted.signal);
      const outcome = part.then(
        () => "taken",
        (e: Error) => e.message,
      );
      await left.checkpoint();
      const held = read();
      unwanted.abort(new Error("given up"));
      expect(await outcome).toBe("given up");
      await expect.poll(read).toBeGreaterThan(held + 1_000);
      expect(left.paused).toBe(false);
    },
  );

  it("does not let the sources go on under the next one", async () => {
    const uri = "memory://crossing-next";
    const [left, right] = await launch(uri);
    if (left === undefined || right === undefined) throw new Error("there are two");
    const ask = (id: string) => ({ id, uri: `${uri}/${id}`, pause: true, drain: false });
    const unwanted = new AbortController();
    const first = left.savepoint(ask("first"), unwanted.signal);
    const next = [left, right].map((slot) => slot.savepoint(ask("next")));
    unwanted.abort(new Error("given up"));
    await expect(first).rejects.toThrow("given up");
    expect((await Promise.all(next)).map((part) => part.slot)).toEqual([0, 1]);
    expect([left.paused, right.paused]).toEqual([true, true]);
  });
});
