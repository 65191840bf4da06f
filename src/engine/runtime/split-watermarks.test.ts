import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { splitWatermarks, type SplitWatermarks } from "./split-watermarks.ts";

const fresh = { splits: new Map<number, number>(), watermark: -Infinity };
const rule = { maxOutOfOrdernessMs: 10, idleTimeoutMs: 1000 };

describe("the watermark of a source", () => {
  it("is one before the lowest split's highest time, less the out-of-orderness", () => {
    const times = splitWatermarks([0, 1], rule, fresh);
    times.observe(0, 500);
    expect(times.current()).toBe(-Infinity);
    times.observe(1, 300);
    expect(times.current()).toBe(289);
  });

  it("leaves out a split that has been silent for the idle timeout, and takes it back with its next record", () => {
    const times = splitWatermarks([0, 1], rule, fresh);
    times.observe(0, 500);
    times.rest([1], [], 0);
    times.rest([1], [], 999);
    expect(times.current()).toBe(-Infinity);
    times.rest([1], [], 1000);
    expect(times.current()).toBe(489);
    times.observe(1, 600);
    times.observe(0, 900);
    expect(times.current()).toBe(589);
  });

  it("starts the idle time again when a split had something in between", () => {
    const times = splitWatermarks([0, 1], rule, fresh);
    times.observe(0, 500);
    times.rest([1], [], 0);
    times.rest([], [], 900);
    times.rest([1], [], 1100);
    times.rest([1], [], 2000);
    expect(times.current()).toBe(-Infinity);
  });

  it.each([
    ["it has something to read again, before that is read", (times: SplitWatermarks) => times.rest([], [], 1001)],
    ["the sources were paused", (times: SplitWatermarks) => times.restart()],
  ])("waits for an idle split when %s", (_when, happens) => {
    const times = splitWatermarks([0, 1], rule, fresh);
    times.rest([0, 1], [], 0);
    times.rest([0, 1], [], 1000);
    expect(times.idle()).toBe(true);
    happens(times);
    expect(times.idle()).toBe(false);
    times.observe(0, 500);
    expect(times.current()).toBe(-Infinity);
  });

  it("does not count splits that have ended among those that may be idle", () => {
    const times = splitWatermarks([0, 1], rule, fresh);
    times.rest([1], [0], 0);
    expect(times.idle()).toBe(false);
    times.rest([1], [0], 1000);
    expect(times.idle()).toBe(true);
    times.rest([], [0, 1], 1001);
    expect(times.idle()).toBe(false);
  });

  it("goes to the highest split when all are idle, so that windows of a source that fell silent still fire", () => {
    const times = splitWatermarks([0, 1], rule, fresh);
    times.observe(0, 500);
    times.observe(1, 300);
    times.rest([0, 1], [], 0);
    times.rest([0, 1], [], 1000);
    expect(times.current()).toBe(489);
  });

  it("is past everything when every split has ended; a slot that has none is idle and knows nothing of time", () => {
    const times = splitWatermarks([0], rule, fresh);
    times.observe(0, 500);
    times.rest([], [0], 0);
    expect(times.current()).toBe(Infinity);
    const none = splitWatermarks([], rule, fresh);
    expect([none.current(), none.idle()]).toEqual([-Infinity, true]);
  });

  it("goes on from what was restored", () => {
    const times = splitWatermarks([0, 1], rule, { splits: new Map([[0, 700]]), watermark: 650 });
    expect(times.current()).toBe(650);
    times.observe(1, 720);
    expect(times.of(0)).toBe(700);
    expect(times.current()).toBe(700);
  });

  it("never goes back, whatever happens", () => {
    const step = fc.oneof(
      fc.record({ kind: fc.constant("observe" as const), split: fc.nat(2), at: fc.nat(10_000) }),
      fc.record({ kind: fc.constant("rest" as const), idle: fc.subarray([0, 1, 2]), at: fc.nat(10_000) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 50 }), (steps) => {
        const times = splitWatermarks([0, 1, 2], rule, fresh);
        let last = -Infinity;
        let now = 0;
        for (const s of steps) {
          if (s.kind === "observe") times.observe(s.split, s.at);
          else times.rest(s.idle, [], (now += s.at));
          expect(times.current()).toBeGreaterThanOrEqual(last);
          last = times.current();
        }
      }),
    );
  });
});
