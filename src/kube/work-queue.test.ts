import { describe, expect, it } from "vitest";
import { WeirError } from "../errors.ts";
import type { ManualTimers } from "./manual-timers.ts";
import { manualTimers } from "./manual-timers.ts";
import { recordingMeter } from "./meter.ts";
import type { Verdict, WorkQueueOptions } from "./work-queue.ts";
import { createWorkQueue } from "./work-queue.ts";

interface Run {
  readonly key: string;
  readonly at: number;
  finish(verdict?: Verdict): void;
  fail(error: unknown): void;
}

/** A queue whose runs end when the test says so. */
function manualQueue(timers: ManualTimers, options: Partial<WorkQueueOptions> = {}) {
  const runs: Run[] = [];
  const meter = recordingMeter();
  const queue = createWorkQueue({
    name: "q",
    timers,
    meter,
    process: (key) =>
      new Promise((resolve, reject) => {
        runs.push({ key, at: timers.now(), finish: resolve, fail: reject });
      }),
    ...options,
  });
  const abort = new AbortController();
  const ended = queue.run(abort.signal);
  const keys = (): string[] => runs.map((run) => run.key);
  const last = (): Run => {
    const run = runs.at(-1);
    if (run === undefined) throw new Error("nothing ran");
    return run;
  };
  return { queue, runs, keys, last, meter, ended, stop: () => abort.abort() };
}

describe("the work queue", () => {
  it("says what it has worked on for longest, and nothing once that is done", async () => {
    const timers = manualTimers();
    const { queue, last } = manualQueue(timers, { concurrency: 2 });
    expect(queue.longestRun).toBeUndefined();
    const since = timers.now();
    queue.add("a");
    const a = last();
    await timers.advance(1_000);
    queue.add("b");
    expect(queue.longestRun).toEqual({ key: "a", since });
    a.finish();
    await timers.advance(0);
    expect(queue.longestRun).toEqual({ key: "b", since: since + 1_000 });
  });

  it.each([3_600_000, -3_600_000])("runs a key again as soon as ever when the clock is set by %i ms", async (by) => {
    const timers = manualTimers({ start: 1_700_000_000_000 });
    const { queue, keys, last } = manualQueue(timers);
    queue.add("a");
    last().finish();
    await timers.advance(0);
    timers.setClock(by);
    queue.add("a");
    await timers.advance(120);
    expect(keys()).toEqual(["a", "a"]);
    last().fail(new Error("again"));
    await timers.advance(1_000);
    expect(keys()).toEqual(["a", "a", "a"]);
  });

  it("runs a key once however often it was added while it waited", async () => {
    const timers = manualTimers();
    const { queue, keys, last } = manualQueue(timers);
    for (const key of ["a", "b", "b", "b"]) queue.add(key);
    last().finish();
    await timers.advance(0);
    last().finish();
    await timers.advance(10_000);
    expect(keys()).toEqual(["a", "b"]);
  });

  it("never runs a key twice at once, and runs it again for what came meanwhile", async () => {
    const timers = manualTimers();
    const { queue, keys, last } = manualQueue(timers, { concurrency: 5 });
    queue.add("a");
    queue.add("a");
    queue.add("a");
    await timers.advance(1_000);
    expect(keys()).toEqual(["a"]);
    last().finish();
    await timers.advance(0);
    expect(keys()).toEqual(["a", "a"]);
  });

  it("runs as many keys together as it may, and no more", async () => {
    const timers = manualTimers();
    const { queue, runs, keys } = manualQueue(timers, { concurrency: 2 });
    for (const key of ["a", "b", "c"]) queue.add(key);
    expect(keys()).toEqual(["a", "b"]);
    runs[0]?.finish();
    await timers.advance(0);
    expect(keys()).toEqual(["a", "b", "c"]);
  });

  it("comes back to a failing key after 5 ms, doubling up to 5 minutes, while the others go on", async () => {
    const timers = manualTimers();
    const starts: number[] = [];
    let others = 0;
    const queue = createWorkQueue({
      name: "q",
      timers,
      minGapMs: 0,
      process: (key) => {
        if (key !== "poison") others++;
        else starts.push(timers.now());
        return key === "poison" ? Promise.reject(new Error("always")) : Promise.resolve(undefined);
      },
    });
    void queue.run(new AbortController().signal);
    queue.add("poison");
    for (let i = 0; i < 20; i++) {
      queue.add(`fine-${i}`);
      await timers.advance(2 ** i * 5);
    }
    await timers.advance(1_000_000);
    const gaps = starts.slice(1).map((at, i) => at - (starts[i] ?? 0));
    expect(gaps.slice(0, 5)).toEqual([5, 10, 20, 40, 80]);
    expect(Math.max(...gaps)).toBe(300_000);
    expect(others).toBe(20);
  });

  it("starts the back-off of a key again after it worked", async () => {
    const timers = manualTimers();
    const { queue, last, meter } = manualQueue(timers);
    queue.add("a");
    last().fail(new Error("once"));
    await timers.advance(1_000);
    expect(queue.retriesOf("a")).toBe(1);
    last().finish();
    await timers.advance(0);
    expect(queue.retriesOf("a")).toBe(0);
    expect(meter.value("queue_retries_total", { queue: "q" })).toBe(1);
  });

  it("does not retry a terminal error until something adds the key", async () => {
    const timers = manualTimers();
    const seen: unknown[] = [];
    const { queue, keys, last, meter } = manualQueue(timers, { onError: (_, error) => seen.push(error) });
    const terminal = new WeirError("SPEC_INVALID", "spec.parallelism must be at least 1");
    queue.add("a");
    last().fail(terminal);
    await timers.advance(3_600_000);
    expect(keys()).toEqual(["a"]);
    expect(seen).toEqual([terminal]);
    expect(meter.value("queue_terminal_errors_total", { queue: "q" })).toBe(1);
    queue.add("a");
    expect(keys()).toEqual(["a", "a"]);
  });

  it("waits as long as an error asks for", async () => {
    const timers = manualTimers();
    const { queue, runs, last } = manualQueue(timers);
    queue.add("a");
    last().fail(new WeirError("API_UNAVAILABLE", "busy", { retryAfterMs: 7_000 }));
    await timers.advance(6_999);
    expect(runs).toHaveLength(1);
    await timers.advance(1);
    expect(runs).toHaveLength(2);
  });

  it("brings a key back at the time it asked for, or earlier when something adds it", async () => {
    const timers = manualTimers();
    const { queue, runs, last } = manualQueue(timers);
    queue.add("a");
    last().finish({ requeueAfterMs: 60_000 });
    await timers.advance(30_000);
    expect(runs).toHaveLength(1);
    queue.add("a");
    expect(runs).toHaveLength(2);
    last().finish();
    await timers.advance(3_600_000);
    expect(runs).toHaveLength(2);
  });

  it("keeps the earliest of several delays", async () => {
    const timers = manualTimers();
    const { queue, runs } = manualQueue(timers);
    queue.addAfter("a", 5_000);
    queue.addAfter("a", 1_000);
    queue.addAfter("a", 9_000);
    await timers.advance(1_000);
    expect(runs.map((run) => run.at)).toEqual([1_000]);
  });

  it("runs a key less than ten times in any second however fast it is added", async () => {
    const timers = manualTimers();
    let runs = 0;
    const queue = createWorkQueue({
      name: "q",
      timers,
      process: () => {
        runs++;
        return Promise.resolve(undefined);
      },
    });
    void queue.run(new AbortController().signal);
    for (let i = 0; i < 999; i++) {
      queue.add("busy");
      await timers.advance(1);
    }
    expect(runs).toBe(9);
  });

  it("holds a storm of failing keys to its budget of retries", async () => {
    const timers = manualTimers();
    let runs = 0;
    const queue = createWorkQueue({
      name: "q",
      timers,
      concurrency: 10,
      process: () => {
        runs++;
        return Promise.reject(new Error("the server is down"));
      },
    });
    void queue.run(new AbortController().signal);
    for (let i = 0; i < 500; i++) queue.add(`key-${i}`);
    await timers.advance(10_000);
    // 500 first runs, 100 tokens at once and 10 a second.
    expect(runs).toBeLessThanOrEqual(500 + 100 + 10 * 10 + 10);
    expect(runs).toBeGreaterThan(600);
  });

  it("ends when its signal aborts and the last run has ended, and starts nothing more", async () => {
    const timers = manualTimers();
    const { queue, runs, last, ended, stop } = manualQueue(timers);
    queue.add("a");
    queue.add("b");
    queue.addAfter("c", 1_000);
    stop();
    let hasEnded = false;
    void ended.then(() => (hasEnded = true));
    await timers.advance(5_000);
    expect(hasEnded).toBe(false);
    last().finish();
    await ended;
    await timers.advance(5_000);
    expect(runs).toHaveLength(1);
  });

  it("is idle only when nothing runs and nothing is due", async () => {
    const timers = manualTimers();
    const { queue, last } = manualQueue(timers);
    let isIdle = false;
    queue.add("a");
    queue.add("a");
    void queue.idle().then(() => (isIdle = true));
    last().finish();
    await timers.advance(0);
    expect(isIdle).toBe(false);
    await timers.advance(120);
    last().finish({ requeueAfterMs: 60_000 });
    await timers.advance(0);
    expect(isIdle).toBe(true);
  });
});
