import { describe, expect, it } from "vitest";
import { lifecycleSpec, lifecycleWorld } from "../../test/builders/lifecycle-world.ts";
import { newCondition } from "../worker/condition.ts";
import { decide } from "./decide.ts";
import type { WorkerView } from "./input.ts";

type Lost = { readonly records: number; readonly message: string } | undefined;

/** What is reported after each worker has said this. */
function told(said: readonly (readonly Lost[])[]) {
  const world = lifecycleWorld(lifecycleSpec({ parallelism: 2 }));
  world.settle(8);
  return said.map((losses) => {
    const input = world.input();
    const workers = input.observed.workers.map((worker, i): WorkerView => ({
      ...worker,
      metrics: { ...newCondition().metrics, lost: losses[i] },
      metricsAt: world.now,
    }));
    const { status, events } = decide({ ...input, observed: { ...input.observed, workers } });
    world.status = status;
    return {
      condition: status.conditions?.find((c) => c.type === "RecordsLost"),
      ready: status.conditions?.find((c) => c.type === "Ready")?.status,
      events: events.filter((event) => event.reason === "OffsetReset").map((event) => event.message),
    };
  });
}

describe("records that were gone before they were read", () => {
  it("are in a condition while the workers that lost them run, and in an Event each time; the job stays ready", () => {
    const first = { records: 50, message: "offsets 10 to 60 of a[0]" };
    const second = { records: 70, message: "offsets 5 to 25 of a[1]" };
    const [none, once, again, more, gone] = told([
      [undefined, undefined],
      [undefined, first],
      [undefined, first],
      [second, first],
      [undefined, undefined],
    ]);
    expect(none).toMatchObject({ condition: undefined, events: [] });
    expect(once?.condition).toMatchObject({ status: "True", reason: "OffsetReset" });
    expect(once?.condition?.message).toBe(
      "50 records since the workers started; the last of worker 1: offsets 10 to 60 of a[0]",
    );
    expect(once).toMatchObject({ ready: "True", events: [once?.condition?.message] });
    expect(again?.events).toEqual([]);
    expect(more?.events).toHaveLength(1);
    expect(more?.condition?.message).toContain("120 records since the workers started");
    expect(gone).toMatchObject({ condition: undefined, events: [] });
  });

  it("are said to be unknown where nobody could count them", () => {
    const [uncounted] = told([[undefined, { records: 0, message: "in.ndjson is another file" }]]);
    expect(uncounted?.condition?.message).toBe(
      "An unknown number of records since the workers started; the last of worker 1: in.ndjson is another file",
    );
  });
});
