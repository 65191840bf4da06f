import { beforeAll, describe, expect, it } from "vitest";
import type { RestorePoint } from "../../src/api/worker-protocol.ts";
import { compile } from "../../src/engine/codegen/compile.ts";
import type { RunningSlot } from "../../src/engine/runtime/slot.ts";
import { collected, type Collected } from "../builders/collected-sink.ts";
import { everyKind } from "../builders/every-kind-of-state.ts";
import { runSlot, stopWithSavepoint } from "../builders/running-slot.ts";

const LONG = process.env["WEIR_LONG"] === "1";
const TIMES = LONG ? 20 : 1;
/** What waits for a boundary of time is told apart only where all workers have come to the same one. */
const ALONE = ["sliding"];

const turns = async (n: number): Promise<void> => {
  for (let i = 0; i < n; i++) await new Promise((resolve) => setImmediate(resolve));
};

interface Run {
  readonly out: Collected;
  readonly uri: string;
  readonly plan: ReturnType<typeof everyKind>;
  readonly epoch: number;
  readonly restore: RestorePoint;
}

async function launch({ out, plan, ...of }: Run, slots: number): Promise<RunningSlot[]> {
  const how = { ...plan, connectors: out.connectors, build: compile, start: { paused: true } };
  const open = (slot: number) => runSlot({ ...how, ...of, slot, slots });
  const running = await Promise.all(Array.from({ length: slots }, (_, slot) => open(slot)));
  for (const slot of running) slot.resume();
  return running;
}

/** Ends the workers after some of the input; what they gave since their last checkpoint does not count. */
async function end(running: readonly RunningSlot[], from: string, { out, uri }: Run): Promise<RestorePoint> {
  await turns(1);
  if (from === "savepoint") return await stopWithSavepoint(running, `${uri}/savepoint`);
  // Of two, so that some of it is what has changed since the one before.
  for (const slot of running) expect((await slot.checkpoint()).ok).toBe(true);
  await turns(1);
  for (const slot of running) slot.pause();
  for (const slot of running) expect((await slot.checkpoint()).ok).toBe(true);
  const kept = out.lines.length;
  await Promise.all(running.map((slot) => slot.stop("Cancel", false)));
  out.lines.length = kept;
  return { kind: "checkpoint", epoch: 1, slots: running.length };
}

const cases = ([1, 2, 3] as const).flatMap((slots) =>
  (["savepoint", "checkpoint"] as const).flatMap((from) =>
    (slots === 2 ? [undefined, "1h"] : [undefined]).map((stateTtl) => ({ slots, from, stateTtl })),
  ),
);

describe("a job whose keys were by split and go by their hash", () => {
  const expected = new Map<string, string[]>();
  const optionsOf = (slots: number, stateTtl: string | undefined) => ({
    without: slots === 1 ? [] : ALONE,
    ...(stateTtl === undefined ? {} : { stateTtl }),
  });

  beforeAll(async () => {
    for (const slots of [1, 2]) {
      const out = collected();
      const plan = everyKind({ keys: "declared", ...optionsOf(slots, undefined) });
      const run = { out, plan, uri: `memory://undisturbed-${slots}`, epoch: 1, restore: { kind: "none" } } as const;
      await Promise.all((await launch(run, 1)).map((slot) => slot.done));
      expected.set(String(slots > 1), out.lines.toSorted());
    }
  });

  it.each(cases)("gives what it would have given, from a $from of $slots workers, state.ttl $stateTtl", async (of) => {
    const { slots, from, stateTtl } = of;
    for (let time = 0; time < TIMES; time++) {
      const out = collected();
      const uri = `memory://keying-${slots}-${from}-${stateTtl}-${time}`;
      const before = everyKind({ keys: "declared", ...optionsOf(slots, stateTtl) });
      const first: Run = { out, uri, plan: before, epoch: 1, restore: { kind: "none" } };
      const restore = await end(await launch(first, slots), from, first);
      const plan = everyKind({ keys: "hashed", ...optionsOf(slots, stateTtl) });
      const [second] = await launch({ out, uri, plan, epoch: 2, restore }, 1);
      expect(second?.restored).not.toBeNull();
      await second?.done;
      const [rows, wanted] = [out.lines.toSorted(), expected.get(String(slots > 1)) ?? []];
      expect(rows.find((row, i) => row !== wanted[i])).toBeUndefined();
      expect(rows.length).toBe(wanted.length);
      expect(second?.measure().totalIn).toBeGreaterThan(0);
    }
  });

  it.each([0, 1])("from workers that had not read yet, of which only slot %i has a checkpoint", async (saved) => {
    const out = collected();
    const uri = `memory://keying-origin-${saved}`;
    const first: Run = { out, uri, plan: everyKind({ keys: "declared" }), epoch: 1, restore: { kind: "none" } };
    const restore = await end(await launch(first, 1), "savepoint", first);
    const hashed = everyKind({ keys: "hashed" });
    // Keys of records would have to go between them: none is read.
    const plan = { ...hashed.plan, parallelismLimit: null };
    const two = { ...hashed, plan, connectors: out.connectors, build: compile, uri, epoch: 2, restore, slots: 2 };
    const slots = await Promise.all([0, 1].map((slot) => runSlot({ ...two, slot, start: { paused: true } })));
    expect((await slots[saved]?.checkpoint())?.ok).toBe(true);
    await Promise.all(slots.map((slot) => slot.stop("Cancel", false)));
    const of = { out, uri, plan: hashed, epoch: 3, restore: { kind: "checkpoint", epoch: 2, slots: 2 } } as const;
    const [last] = await launch(of, 1);
    await last?.done;
    const [rows, wanted] = [out.lines.toSorted(), expected.get("false") ?? []];
    expect(rows.find((row, at) => row !== wanted[at])).toBeUndefined();
    expect(rows.length).toBe(wanted.length);
  });
});
