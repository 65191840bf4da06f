import { describe, expect, it } from "vitest";
import type { RestorePoint } from "../../src/api/worker-protocol.ts";
import {
  differences,
  NO_DIFFERENCE,
  expectedOf,
  launchRescaled,
  rescaledPlan,
  tallyOf,
  turns,
} from "../builders/rescaled-job.ts";
import type { RescaledWorker } from "../builders/rescaled-job.ts";
import { stopWithSavepoint } from "../builders/running-slot.ts";

const MOVES = [
  [2, 4],
  [4, 2],
  [2, 5],
  [5, 3],
  [3, 4],
] as const;
const COUNT = process.env["WEIR_LONG"] === "1" ? 2_000_000 : 300_000;

type From = "savepoint" | "checkpoint" | "nothing yet";

/** Ends the workers at a random moment of the job, and says where the next go on and what of their output counts. */
async function end(workers: RescaledWorker[], from: From, at: { uri: string; epoch: number }): Promise<RestorePoint> {
  const { uri, epoch } = at;
  if (from === "savepoint") {
    const restore = await stopWithSavepoint(
      workers.map((w) => w.slot),
      `${uri}/savepoint-${epoch}`,
    );
    for (const worker of workers) worker.counts = worker.out.lines.length;
    return restore;
  }
  if (from === "checkpoint") {
    for (const { slot } of workers) slot.pause();
    for (const { slot } of workers) expect((await slot.checkpoint()).ok).toBe(true);
    for (const { slot } of workers) slot.resume();
    await turns(2);
  }
  // At its end a worker takes a checkpoint of its own.
  for (const { slot } of workers) expect(slot.measure().totalIn).toBeLessThan(COUNT / workers.length);
  await Promise.all(workers.map(({ slot }) => slot.stop("Cancel", false)));
  return { kind: "checkpoint", epoch, slots: workers.length };
}

async function rescaled([before, after]: readonly [number, number], from: From) {
  const uri = `memory://rescale-${before}-${after}-${from.replaceAll(" ", "-")}`;
  const plan = rescaledPlan({ count: COUNT, keys: "declared" });
  const first = await launchRescaled({ plan, uri, epoch: 1, restore: { kind: "none" } }, before);
  await turns(3);
  const restore = await end(first, from, { uri, epoch: 1 });
  const second = await launchRescaled({ plan, uri, epoch: 2, restore }, after);
  await Promise.all(second.map(({ slot }) => slot.done));
  return tallyOf([...first, ...second]);
}

describe("a job that gets another number of workers, with events that are late", () => {
  const expected = expectedOf(COUNT);

  it.each(
    (["savepoint", "checkpoint", "nothing yet"] as const).flatMap((from) => MOVES.map((move) => [move, from] as const)),
  )(
    "from %j by %s: each event is in one result or among the late ones, and each pair of a join comes, once",
    async (move, from) => {
      const tally = await rescaled(move, from);
      const { late, pairs } = tally;
      const found = differences(expected, tally);
      console.log(
        `rescale ${move.join(" → ")} from ${from}: ${COUNT} events, ${late} late, lost ${found.lost}, twice ${found.twice}; ${pairs.length} pairs`,
      );
      expect(late).toBeGreaterThan(0);
      expect(found).toEqual(NO_DIFFERENCE);
    },
  );
});
