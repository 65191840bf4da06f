import { afterEach, describe, expect, it } from "vitest";
import { manualClock } from "../../clock.ts";
import type { Clock } from "../../clock.ts";
import type { RestorePoint } from "../../api/worker-protocol.ts";
import { collected } from "../../../test/builders/collected-sink.ts";
import { runSlot, stopWithSavepoint } from "../../../test/builders/running-slot.ts";
import { compile } from "../codegen/compile.ts";
import type { Plan } from "../plan.ts";
import { planPipeline } from "../planner/plan-pipeline.ts";
import type { RunningSlot } from "./slot.ts";

let running: RunningSlot[] = [];
afterEach(async () => {
  await Promise.all(running.map((r) => r.stop("Cancel", false)));
  running = [];
});

const WAIT = { timeout: 60_000 };
const RECORDS = 10;

/** Ten records and then silence: their number only grows with the clock, by one in an hour. */
function planOf(): Plan {
  const plan = planPipeline(
    {
      nodes: [
        { name: "events", source: { datagen: { splits: 1, backlog: RECORDS, rate: 1 / 3600 } } },
        {
          name: "counts",
          from: ["events"],
          keyBy: "'all'",
          window: { tumbling: { size: "10s" }, time: "Processing" },
          aggregate: { n: "count()" },
        },
        { name: "out", from: ["counts"], sink: { blackhole: {} } },
      ],
    },
    { parameters: {}, maxParallelism: 4 },
  );
  return { ...plan, sinks: plan.sinks.map((sink) => ({ ...sink, connector: "collect" })) };
}

function setting(uri: string) {
  const out = collected();
  const start = async (clock: Clock, restore: RestorePoint = { kind: "none" }, epoch = 1): Promise<RunningSlot> => {
    const { connectors } = out;
    const slot = await runSlot({ plan: planOf(), connectors, uri, clock, restore, epoch, build: compile });
    running.push(slot);
    return slot;
  };
  /** The results that the sink was given; it hands over at a checkpoint. */
  const rows = async (slot: RunningSlot): Promise<unknown[]> => {
    await slot.checkpoint();
    return out.lines.map((line) => JSON.parse(line) as unknown);
  };
  return { out, start, rows };
}

const all = (start: number) => ({ key: "all", windowStart: start, windowEnd: start + 10_000, n: RECORDS });

describe("a window of processing time", () => {
  it("gives its result when the clock has come to its end, without a record that says so", async () => {
    const { start, rows } = setting("memory://processing-silent");
    const clock = manualClock(5000);
    const slot = await start(clock);
    await expect.poll(() => slot.measure().totalIn, WAIT).toBe(RECORDS);
    clock.set(9999);
    expect(await rows(slot)).toEqual([]);
    clock.set(10_000);
    await expect.poll(() => rows(slot), WAIT).toEqual([all(0)]);
  });

  it("gives it once after a savepoint and a restart, even if its end passed in between", async () => {
    const { out, start, rows } = setting("memory://processing-restart");
    const clock = manualClock(5000);
    const first = await start(clock);
    await expect.poll(() => first.measure().totalIn, WAIT).toBe(RECORDS);
    const restore = await stopWithSavepoint([first], "memory://processing-restart/savepoint");
    expect(out.lines).toEqual([]);
    clock.set(60_000);
    const second = await start(clock, restore, 2);
    await expect.poll(() => rows(second), WAIT).toEqual([all(0)]);
  });

  it("waits for a clock that is behind the one of before", async () => {
    const { start, rows } = setting("memory://processing-behind");
    const first = await start(manualClock(9000));
    await expect.poll(() => first.measure().totalIn, WAIT).toBe(RECORDS);
    const restore = await stopWithSavepoint([first], "memory://processing-behind/savepoint");
    const clock = manualClock(2000);
    const second = await start(clock, restore, 2);
    expect(await rows(second)).toEqual([]);
    clock.set(10_000);
    await expect.poll(() => rows(second), WAIT).toEqual([all(0)]);
  });
});
