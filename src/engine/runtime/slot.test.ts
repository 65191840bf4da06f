import { readdirSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { CheckpointReport } from "../../api/worker-protocol.ts";
import { WeirError } from "../../errors.ts";
import { collected } from "../../../test/builders/collected-sink.ts";
import { readManifest } from "../checkpoint/snapshot-reader.ts";
import { openStorage } from "../checkpoint/storage.ts";
import { countingPlan, countingProgram } from "../../../test/builders/counting-program.ts";
import { runSlot, type SlotSetting } from "../../../test/builders/running-slot.ts";
import type { Batch } from "../batch.ts";
import type { ConnectorContext, SinkFactory } from "../connectors/connector.ts";
import { builtInConnectors, type ConnectorRegistry } from "../connectors/registry.ts";
import { compile } from "../codegen/compile.ts";
import { planPipeline } from "../planner/plan-pipeline.ts";
import type { Problem } from "./problems.ts";
import type { RunningSlot } from "./slot.ts";

const datagen = { splits: 2, rate: 2000, backlog: 3000 };
const plan = countingPlan({ datagen, sink: { connector: "collect", config: {} } });
let folder = "";
let running: RunningSlot[] = [];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "weir-slot-"));
  running = [];
});
afterEach(async () => {
  await Promise.all(running.map((r) => r.stop("Cancel", false)));
  // A checkpoint that was being written when the slot ended may still close its file.
  await rm(folder, { recursive: true, force: true, maxRetries: 5 });
});

async function run(over: Partial<SlotSetting> = {}): Promise<RunningSlot> {
  const slot = await runSlot({ plan, connectors: collected().connectors, uri: `file://${folder}/state`, ...over });
  running.push(slot);
  return slot;
}

/** A sink that a test fills, empties, and makes unreachable. */
interface StubbornSink {
  readonly connectors: ConnectorRegistry;
  full: boolean;
  flush: () => Promise<void>;
  wake: () => void;
  report: ConnectorContext["report"];
}

function stubbornSink(): StubbornSink {
  let records = 0;
  const factory: SinkFactory = {
    open: (_config, ctx) => {
      sink.report = ctx.report;
      return Promise.resolve({
        append: () => void records++,
        saturated: () => sink.full,
        onDrain: (fn) => void (sink.wake = fn),
        flush: () => sink.flush(),
        counters: () => ({ records, bytes: 0 }),
        close: () => Promise.resolve(),
      });
    },
  };
  const sink: StubbornSink = {
    connectors: { ...builtInConnectors, sink: () => Promise.resolve(factory) },
    full: false,
    flush: () => Promise.resolve(),
    wake: () => {},
    report: () => {},
  };
  return sink;
}

/** A sink that commits with checkpoints, and holds its first one up. */
function committingSink(): { connectors: ConnectorRegistry; did: string[]; accept: () => void } {
  const did: string[] = [];
  const accepted = Promise.withResolvers<void>();
  const factory: SinkFactory = {
    open: () =>
      Promise.resolve({
        append: () => undefined,
        saturated: () => false,
        onDrain: () => undefined,
        flush: () => accepted.promise,
        prepare: (id) => Promise.resolve({ id: did.push(`prepare ${id}`) }),
        commit: (id) => Promise.resolve(void did.push(`commit ${id}`)),
        recover: () => Promise.resolve(),
        counters: () => ({ records: 0, bytes: 0 }),
        close: () => Promise.resolve(void did.push("close")),
      }),
  };
  return { connectors: { ...builtInConnectors, sink: () => Promise.resolve(factory) }, did, accept: accepted.resolve };
}

const turns = async (n: number): Promise<void> => {
  for (let i = 0; i < n; i++) await new Promise((resolve) => setImmediate(resolve));
};

describe("a slot", () => {
  it("stops reading while a sink is full and goes on when it has room", async () => {
    const sink = stubbornSink();
    sink.full = true;
    const slot = await run({ connectors: sink.connectors });
    await turns(20);
    expect(slot.measure().totalIn).toBe(0);
    sink.full = false;
    sink.wake();
    await expect.poll(() => slot.measure().totalIn).toBeGreaterThanOrEqual(3000);
  });

  it("ends with the error of a record that must not be skipped", async () => {
    const slot = await run({
      build: (p, o) => ({
        ...countingProgram(p, o),
        inputs: new Map([
          [
            "events",
            {
              maxEventTime: 0,
              process: () => {
                throw new WeirError("RECORD_MALFORMED", "events-0@17 is not JSON");
              },
            },
          ],
        ]),
      }),
    });
    await expect(slot.done).rejects.toMatchObject({ code: "RECORD_MALFORMED" });
  });

  it("ends when a sink has lost what it took, because only a restore can bring it back", async () => {
    const sink = stubbornSink();
    const slot = await run({ connectors: sink.connectors });
    sink.flush = () => Promise.reject(new Error("disk on fire"));
    await slot.checkpoint();
    await expect(slot.done).rejects.toThrow(/sink out did not take its records: disk on fire/);
  });

  it("writes no checkpoint any more once it was cancelled, however far one was", async () => {
    const uri = `file://${folder}/state`;
    const files = (): string[] => readdirSync(folder, { recursive: true, encoding: "utf8" }).toSorted();
    for (let after = 0; after < 24; after++) {
      const slot = await run({ uri, attempt: after });
      await turns(2);
      const taken = slot.checkpoint();
      await turns(after);
      await slot.stop("Cancel", false);
      const left = files();
      await taken;
      await turns(40);
      expect({ after, files: files() }).toEqual({ after, files: left });
      const next = await run({ uri, attempt: after });
      expect(await next.checkpoint()).toMatchObject({ ok: true });
      await next.stop("Cancel", false);
    }
  });

  it("writes no checkpoint behind the last one of its input, which would open its sinks again", async () => {
    const slot = await run({ plan: countingPlan({ datagen: { splits: 1, rate: 0, count: 100 } }) });
    await slot.done;
    const files = (): string[] => readdirSync(folder, { recursive: true, encoding: "utf8" }).toSorted();
    const left = files();
    expect(await slot.checkpoint()).toMatchObject({ ok: false, error: "the slot has ended" });
    expect(files()).toEqual(left);
  });

  describe.each([
    ["that pauses", true],
    ["beside the work", false],
  ])("whose bounded input ends while a savepoint %s is asked for", (_, pause) => {
    const bounded = countingPlan({ datagen: { splits: 1, rate: 0, count: 100 } });
    const savepoint = () => ({ id: "s", uri: `file://${folder}/s`, pause, drain: false });

    it("takes its part, commits what that covers, and only then ends", async () => {
      const sink = committingSink();
      const slot = await run({ plan: bounded, connectors: sink.connectors });
      await expect.poll(() => sink.did).toContain("prepare 1");
      const part = slot.savepoint(savepoint());
      sink.accept();
      const { manifest } = await part;
      await expect(slot.done).resolves.toBe("finished");
      expect(sink.did).toEqual(["prepare 1", "commit 1", "prepare 2", "commit 2", "close"]);
      const taken = await readManifest(
        openStorage(`file://${folder}/s`, (path) => path),
        manifest.slice(0, manifest.lastIndexOf("/")),
      );
      expect(taken?.manifest).toMatchObject({ id: "s", sources: [{ watermark: "end" }] });
    });

    it("says that it has read everything, once it has ended", async () => {
      const sink = committingSink();
      const slot = await run({ plan: bounded, connectors: sink.connectors });
      sink.accept();
      await slot.done;
      const did = [...sink.did];
      await expect(slot.savepoint(savepoint())).rejects.toThrow(
        `slot 0 has read all of its input and has ended: file://${folder}/state has its last checkpoint, and nothing is left to save`,
      );
      await slot.stop("Savepoint", false);
      expect([sink.did, readdirSync(folder)]).toEqual([did, ["state"]]);
    });
  });

  it("gives a checkpoint up that waits for a sink when it is cancelled, and says nothing of it", async () => {
    const sink = stubbornSink();
    const accepted = Promise.withResolvers<void>();
    const reports: CheckpointReport[] = [];
    const slot = await run({
      connectors: sink.connectors,
      listener: { checkpoint: (report) => void reports.push(report) },
    });
    sink.flush = () => accepted.promise;
    const taken = slot.checkpoint();
    const part = slot.savepoint({ id: "s", uri: `file://${folder}/s`, pause: true, drain: false });
    const refused = expect(part).rejects.toThrow("the slot has ended");
    await turns(5);
    await slot.stop("Cancel", false);
    expect(await taken).toMatchObject({ ok: false, error: expect.stringContaining("the slot has ended") as string });
    await refused;
    accepted.resolve();
    await turns(40);
    const written = readdirSync(folder, { recursive: true, encoding: "utf8" });
    expect([reports, written.filter((file) => file.endsWith("manifest.json"))]).toEqual([[], []]);
  });

  it("shows unknown lag as unknown, never as zero", async () => {
    const slot = await run({ connectors: { ...collected().connectors, source: lagless } });
    expect(slot.measure()).toMatchObject({ lag: null, lagMs: null });
  });

  it("fires every open window when it is stopped with drain, and keeps them open without", async () => {
    const window = { tumbling: { size: "24h" } };
    const windowed = planPipeline(
      {
        nodes: [
          { name: "events", source: { datagen }, partitionedBy: "event.tenant", eventTime: { field: "event.ts" } },
          { name: "n", from: ["events"], keyBy: "event.tenant", window, aggregate: { n: "count()" } },
          { name: "out", from: ["n"], sink: { blackhole: {} } },
        ],
      },
      { parameters: {}, maxParallelism: 4 },
    );
    const toCollect = { ...windowed, sinks: windowed.sinks.map((s) => ({ ...s, connector: "collect" })) };
    for (const [drain, results] of [
      [false, 0],
      [true, 100],
    ] as const) {
      const out = collected();
      const uri = `memory://drain-${String(drain)}`;
      const slot = await run({ plan: toCollect, connectors: out.connectors, build: compile, uri });
      await expect.poll(() => slot.measure().keys).toBe(100);
      await slot.stop("Checkpoint", drain);
      expect(out.lines.length).toBe(results);
    }
  });

  it("takes records again after a drain: when it is started from there, and when the stop was given up", async () => {
    const window = { tumbling: { size: "1s" } };
    const source = { datagen: { splits: 2, rate: 0, count: 6_000, eventRate: 1_000 } };
    const windowed = planPipeline(
      {
        nodes: [
          { name: "events", source, partitionedBy: "event.tenant", eventTime: { field: "event.ts" } },
          { name: "n", from: ["events"], keyBy: "event.tenant", window, aggregate: { n: "count()" } },
          { name: "out", from: ["n"], sink: { blackhole: {} } },
        ],
      },
      { parameters: {}, maxParallelism: 4 },
    );
    const plan = { ...windowed, sinks: windowed.sinks.map((s) => ({ ...s, connector: "collect" })) };
    const out = collected();
    const setting = { plan, connectors: out.connectors, build: compile, uri: "memory://drained" };
    // Its input outlasts it on any machine.
    const sources = plan.sources.map((s) => ({ ...s, config: { ...(s.config as object), readRate: 500 } }));
    const first = await run({ ...setting, plan: { ...plan, sources } });
    await expect.poll(() => first.measure().keys).toBeGreaterThan(0);
    await first.savepoint({ id: "s", uri: "memory://drained-s", pause: true, drain: true });
    first.resume();
    await expect(first.done).rejects.toMatchObject({ code: "DRAIN_ABANDONED" });

    const second = await run({ ...setting, attempt: 1 });
    second.resume();
    expect(await second.done).toBe("finished");
    const counted = out.lines.reduce((sum, line) => sum + (JSON.parse(line) as { n: number }).n, 0);
    expect(counted).toBe(6_000);
  });

  it("refuses more slots than the plan can share", async () => {
    const limited = { ...plan, parallelismLimit: { max: 1, reason: "per-tenant keeps local state" } };
    await expect(run({ plan: limited, slots: 2 })).rejects.toThrow(/slot 0 of 2 cannot run: per-tenant keeps local/);
  });
});

const lagless: ConnectorRegistry["source"] = async (name) => {
  const factory = await builtInConnectors.source(name);
  return {
    ...factory,
    open: async (config, assigned, ctx) => ({ ...(await factory.open(config, assigned, ctx)), lag: () => undefined }),
  };
};

describe("a slot that is held", () => {
  it("stays held by its savepoint when another one fails", async () => {
    const slot = await run();
    await slot.savepoint({ id: "s", uri: `file://${folder}/s`, pause: true, drain: false });
    await writeFile(join(folder, "in-the-way"), "");
    for (const pause of [true, false]) {
      const other = slot.savepoint({ id: "t", uri: `file://${folder}/in-the-way`, pause, drain: false });
      await expect(other).rejects.toMatchObject({ code: "CHECKPOINT_UNWRITABLE" });
      expect(slot.paused).toBe(true);
    }
  });

  it("goes on when it could not be stopped in time because its sink takes nothing", async () => {
    const sink = stubbornSink();
    sink.flush = () => new Promise(() => {});
    const slot = await run({ connectors: sink.connectors, checkpoint: { timeoutMs: 20 } });
    await expect(slot.stop("Savepoint", false)).rejects.toThrow(/sinks did not take.*in 20 ms/);
    expect(slot.paused).toBe(false);
  });
});

describe("a slot that a record has ended", () => {
  it("takes no checkpoint any more: its positions are past records that nobody processed", async () => {
    const sink = stubbornSink();
    const flushed = Promise.withResolvers<void>();
    sink.flush = () => flushed.promise;
    let poisoned = false;
    const slot = await run({
      connectors: sink.connectors,
      build: (...of) => {
        const program = countingProgram(...of);
        const poison = (process: (batch: Batch) => void) => (batch: Batch) => {
          if (poisoned) throw new WeirError("RECORD_MALFORMED", "poison");
          process(batch);
        };
        const inputs = [...program.inputs].map(([node, input]) => {
          const { process } = input;
          return [node, Object.assign(input, { process: poison(process) })] as const;
        });
        return { ...program, inputs: new Map(inputs) };
      },
    });
    const before = slot.checkpoint();
    const behind = slot.checkpoint();
    const savepoint = slot.savepoint({ id: "s", uri: `file://${folder}/s`, pause: true, drain: false });
    savepoint.catch(() => undefined);
    poisoned = true;
    await expect(slot.done).rejects.toMatchObject({ code: "RECORD_MALFORMED" });
    flushed.resolve();
    // Its cut was sound, but whoever takes the slot's place may have begun already.
    expect(await before).toMatchObject({ ok: false });
    expect(await behind).toMatchObject({ ok: false });
    await expect(savepoint).rejects.toThrow(/has ended/);
  });
});

describe("a checkpoint that fails", () => {
  const blocked = async (): Promise<void> => {
    await rm(join(folder, "state"), { recursive: true });
    await writeFile(join(folder, "state"), "in the way");
  };

  it("is a problem with a next try as long as failures are tolerated, and is over with the next success", async () => {
    const problems: (Problem | undefined)[] = [];
    const checkpoint = { minPauseMs: 3_600_000 };
    const slot = await run({ checkpoint, listener: { problem: (p) => problems.push(p) } });
    await blocked();
    expect((await slot.checkpoint()).error).toMatch(/cannot write below file:.*check that the volume is mounted/);
    await rm(join(folder, "state"));
    expect((await slot.checkpoint()).ok).toBe(true);
    expect(problems.map((p) => p?.code)).toEqual(["CHECKPOINT_UNWRITABLE", undefined]);
    expect(problems[0]?.nextTryAt).toBeGreaterThan(Date.now() + checkpoint.minPauseMs / 2);
  });

  it("ends the slot when there are more in a row than tolerated", async () => {
    const slot = await run({ checkpoint: { tolerableFailures: 1 } });
    await blocked();
    await slot.checkpoint();
    await slot.checkpoint();
    await expect(slot.done).rejects.toMatchObject({ code: "CHECKPOINT_UNWRITABLE", retry: "Backoff" });
  });

  it("does not count while a sink says that it cannot reach its system", async () => {
    const sink = stubbornSink();
    const problems: (Problem | undefined)[] = [];
    const listener = { problem: (p: Problem | undefined) => void problems.push(p) };
    const checkpoint = { tolerableFailures: 0, timeoutMs: 1_000 };
    const slot = await run({ connectors: sink.connectors, checkpoint, listener });
    sink.report({ code: "SINK_UNREACHABLE", message: "kafka:9092 refused", nextTryAt: 5 });
    expect(problems.map((p) => p?.message)).toEqual(['node "out": kafka:9092 refused']);
    sink.flush = () => new Promise(() => {});
    for (let i = 0; i < 3; i++) {
      expect((await slot.checkpoint()).error).toMatch(/did not finish in 1000 ms; it was waiting for its sinks/);
    }
    sink.flush = () => Promise.resolve();
    await expect.poll(async () => (await slot.checkpoint()).ok).toBe(true);
  });

  it("ends a worker that was replaced: the newer attempt's checkpoint stays", async () => {
    const old = await run();
    const reports: CheckpointReport[] = [];
    const newer = await run({ attempt: 1, listener: { checkpoint: (r) => reports.push(r) } });
    await newer.checkpoint();
    await old.checkpoint();
    await expect(old.done).rejects.toThrow(/attempt 1 of slot 0 has written .*this worker was replaced/);
    expect((await newer.checkpoint()).ok).toBe(true);
  });
});

describe("a slot that a savepoint holds", () => {
  const uri = (): string => `file://${folder}/savepoint`;

  it("is still held after its process was restarted, and reads on when it is told to", async () => {
    const first = await run();
    await expect.poll(() => first.measure().totalIn).toBeGreaterThan(0);
    await first.savepoint({ id: "s", uri: uri(), pause: true, drain: false });
    await first.stop("Cancel", false);
    const again = await run();
    expect(again.paused).toBe(true);
    await turns(20);
    expect(again.measure().totalIn).toBe(0);
    again.resume();
    await expect.poll(() => again.measure().totalIn).toBeGreaterThan(0);
  });

  it("is not held by a savepoint that did not ask for it", async () => {
    const first = await run();
    await first.savepoint({ id: "s", uri: uri(), pause: false, drain: false });
    expect(first.paused).toBe(false);
    await first.stop("Checkpoint", false);
    expect((await run()).paused).toBe(false);
  });
});

describe("a slot that its user pauses", () => {
  it.each([
    { launched: false, asked: true },
    { launched: true, asked: false },
  ])("is as it was told last after its process was restarted: launched $launched, told $asked", async (how) => {
    const first = await run({ start: { paused: how.launched } });
    expect(first.paused).toBe(how.launched);
    if (how.asked) first.pause();
    else first.resume();
    await first.checkpoint();
    await first.stop("Cancel", false);
    expect((await run({ start: { paused: how.launched } })).paused).toBe(how.asked);
  });

  it("is launched as its next epoch says, whatever it was told before", async () => {
    const first = await run();
    first.pause();
    await first.checkpoint();
    await first.stop("Cancel", false);
    const restore = { kind: "checkpoint", epoch: 1, slots: 1 } as const;
    expect((await run({ epoch: 2, restore })).paused).toBe(false);
  });
});

describe("checkpoints by themselves", () => {
  it("come every interval, and stop with the slot", async () => {
    const reports: CheckpointReport[] = [];
    const slot = await run({ checkpoint: { intervalMs: 5 }, listener: { checkpoint: (r) => reports.push(r) } });
    await expect.poll(() => reports.length).toBeGreaterThanOrEqual(3);
    expect(reports.map((r) => r.id).slice(0, 3)).toEqual([1, 2, 3]);
    await slot.stop("Checkpoint", false);
    const last = reports.length;
    await turns(50);
    expect(reports.length).toBe(last);
  });

  it("leave minPause between the end of one and the beginning of the next, however short the interval", async () => {
    const reports: CheckpointReport[] = [];
    const checkpoint = { intervalMs: 1, minPauseMs: 60 };
    const slot = await run({ checkpoint, listener: { checkpoint: (r) => reports.push(r) } });
    await expect.poll(() => reports.length, { timeout: 60_000 }).toBeGreaterThanOrEqual(4);
    await slot.stop("Cancel", false);
    const pauses = reports.slice(1, 4).map((r, i) => r.completedAt - r.durationMs - (reports[i]?.completedAt ?? 0));
    // Timers count in whole milliseconds.
    for (const pause of pauses) expect(pause).toBeGreaterThanOrEqual(checkpoint.minPauseMs - 2);
  });
});
