import { compatibilityPartitioner } from "@platformatic/kafka";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  decodeMarker,
  encodeMarker,
  eventTimeAt,
  HEADER,
  kindOf,
  wrapValue,
  type Marker,
} from "../../src/engine/connectors/exchange/envelope.ts";
import {
  idleTogether,
  savedUpstream,
  upstreamOf,
  type Upstream,
} from "../../src/engine/connectors/exchange/upstream.ts";
import { saidWatermarks } from "../../src/engine/runtime/said-watermarks.ts";
import { murmur2, shardOf } from "../../src/engine/windows/murmur2.ts";

const time = fc.oneof(fc.integer({ min: -5, max: 20 }), fc.constantFrom(Infinity, -Infinity, 0.5));

const marker = fc.record({
  epoch: fc.integer({ min: 0, max: 0xffff_ffff }),
  slot: fc.integer({ min: 0, max: 0xffff }),
  slots: fc.integer({ min: 0, max: 0xffff }),
  watermark: fc.double(),
  idle: fc.boolean(),
  ended: fc.boolean(),
  barrier: fc.option(fc.string({ unit: "grapheme" }), { nil: undefined }),
});

/** Slots of the epochs 1 to 4, each with its own number of slots. */
const heard = fc
  .record({
    epoch: fc.integer({ min: 1, max: 4 }),
    slot: fc.nat(),
    watermark: time,
    idle: fc.boolean(),
    ended: fc.integer({ min: 0, max: 3 }).map((n) => n === 0),
    barrier: fc.option(fc.constantFrom("a", "b"), { nil: undefined }),
  })
  .map((m): Marker => ({ ...m, slots: 1 + (m.epoch % 3), slot: m.slot % (1 + (m.epoch % 3)) }));

interface Model {
  readonly watermark: number;
  readonly idle: boolean;
  readonly ended: boolean;
}

/** Looks at all that was said, anew each time. */
function naive(said: readonly Marker[], readerEpoch: number): Model {
  let watermark = -Infinity;
  let [idle, ended] = [false, false];
  for (let n = 1; n <= said.length; n++) {
    const newest = Math.max(...said.slice(0, n).map((m) => m.epoch));
    const last = new Map(said.slice(0, n).flatMap((m) => (m.epoch === newest ? [[m.slot, m] as const] : [])));
    const all = [...last.values()];
    const complete = all.length === all[0]?.slots;
    const reading = all.filter((m) => !m.idle && !m.ended);
    ended = complete && newest >= readerEpoch && all.every((m) => m.ended);
    idle = complete && reading.length === 0 && !all.every((m) => m.ended);
    const lowest = Math.min(...reading.map((m) => m.watermark));
    const end = reading.length === 0 || lowest === Infinity;
    if (!complete || idle || (end && newest < readerEpoch)) continue;
    watermark = Math.max(watermark, lowest);
  }
  return { watermark, idle, ended };
}

const seen = ({ watermark, idle, ended }: Upstream): Model => ({ watermark, idle, ended });

describe("what goes through an exchange", () => {
  it("puts a key where Kafka's own partitioner does, which is its shard", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), fc.integer({ min: 1, max: 1024 }), (key, partitions) => {
        const of =
          (compatibilityPartitioner({ topic: "t", value: Buffer.alloc(0) }, Buffer.from(key)) >>> 0) % partitions;
        expect(shardOf(murmur2(key, 0, key.length), partitions)).toBe(of);
      }),
    );
  });

  it("gives back every marker as it was", () => {
    fc.assert(
      fc.property(marker, fc.nat(20), (said, at) => {
        const bytes = encodeMarker(said);
        const buf = Buffer.concat([Buffer.alloc(at), bytes, Buffer.alloc(3)]);
        expect(kindOf(buf, at, bytes.length)).toBe("marker");
        expect(decodeMarker(buf, at, bytes.length)).toEqual(said);
      }),
    );
  });

  it("gives back every value with its event time to the last bit, also before 1970 and between milliseconds", () => {
    fc.assert(
      fc.property(fc.option(fc.uint8Array({ maxLength: 9000 })), fc.double(), (content, ts) => {
        const value = Buffer.from(content ?? []);
        const record = {
          value,
          start: 0,
          end: content === null ? -1 : value.length,
          key: undefined,
          keyStart: 0,
          keyEnd: -1,
          ts,
        };
        const { buf, end } = wrapValue(record, Buffer.alloc(64));
        expect(kindOf(buf, 0, end)).toBe(content === null ? "tombstone" : "record");
        expect(eventTimeAt(buf, 0)).toBe(ts);
        expect(buf.subarray(HEADER, end)).toEqual(value);
      }),
    );
  });

  it("refuses what it has not written", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 30 }), (bytes) => {
        const known = bytes[0] === 2 ? bytes.length >= 18 : (bytes[0] ?? 9) < 2 && bytes.length >= HEADER;
        const look = (): string => kindOf(Buffer.from(bytes), 0, bytes.length);
        if (known) expect(look()).toMatch(/record|tombstone|marker/);
        else expect(look).toThrow(/not written/);
      }),
    );
  });
});

describe("how far time is behind an exchange", () => {
  it("is the lowest of all slots of the newest epoch, as a look at all that was said finds it", () => {
    let advanced = 0;
    fc.assert(
      fc.property(fc.array(heard, { maxLength: 30 }), fc.integer({ min: 1, max: 4 }), (said, readerEpoch) => {
        const upstream = upstreamOf(readerEpoch);
        for (let n = 0; n < said.length; n++) {
          upstream.hear(said[n] as Marker);
          expect(seen(upstream)).toEqual(naive(said.slice(0, n + 1), readerEpoch));
        }
        if (upstream.watermark > -Infinity) advanced++;
      }),
      { numRuns: 1000 },
    );
    expect(advanced).toBeGreaterThan(100);
  });

  it("is the same after a restart at every point, with the barriers that were heard", () => {
    fc.assert(
      fc.property(fc.array(heard, { minLength: 1, maxLength: 20 }), fc.nat(19), (said, at) => {
        const through = upstreamOf(1);
        let restarted = upstreamOf(1);
        for (const [n, each] of said.entries()) {
          if (n === at) restarted = upstreamOf(1, savedUpstream.parse(JSON.parse(JSON.stringify(restarted.save()))));
          through.hear(each);
          restarted.hear(each);
        }
        expect(restarted.save()).toEqual(through.save());
        expect(seen(restarted)).toEqual(seen(through));
        for (const id of ["a", "b"]) expect(restarted.passed(id)).toBe(through.passed(id));
      }),
    );
  });

  it("never takes the end of an earlier epoch for its own, and keeps how far that one came", () => {
    const end = { epoch: 1, slots: 1, slot: 0, watermark: 7, idle: false, ended: false, barrier: undefined };
    const upstream = upstreamOf(1);
    upstream.hear(end);
    upstream.hear({ ...end, watermark: Infinity, ended: true });
    expect(seen(upstream)).toEqual({ watermark: Infinity, idle: false, ended: true });
    const later = upstreamOf(2, upstream.save());
    expect(seen(later)).toEqual({ watermark: -Infinity, idle: false, ended: false });
    later.hear({ ...end, ended: true });
    expect(later.ended).toBe(false);
    later.hear({ ...end, epoch: 2, watermark: 9 });
    later.hear({ ...end, epoch: 2, watermark: 9, ended: true });
    expect(seen(later)).toEqual({ watermark: Infinity, idle: false, ended: true });
  });

  it("lets no partition go ahead of another that has not read yet what woke the first, and the other's older records", () => {
    const quiet = { epoch: 1, slots: 1, slot: 0, watermark: 300, idle: true, ended: false, barrier: undefined };
    const both = [upstreamOf(1), upstreamOf(1)] as const;
    const [one, other] = both;
    const times = saidWatermarks([0, 1], () => new Map(both.map((u, i) => [i, u.watermark])), -Infinity);
    const at = (): number => {
      times.rest(idleTogether(both) ? [0, 1] : [], [], 0);
      return times.current();
    };
    for (const upstream of both) upstream.hear({ ...quiet, idle: false });
    for (const upstream of both) upstream.hear(quiet);
    expect([at(), times.idle()]).toEqual([300, true]);
    one.hear({ ...quiet, watermark: 400, idle: false });
    expect([at(), times.idle()]).toEqual([300, false]);
    one.hear({ ...quiet, watermark: 400 });
    expect([at(), times.idle()]).toEqual([300, false]);
    one.hear({ ...quiet, epoch: 2, watermark: 500, idle: false });
    one.hear({ ...quiet, epoch: 2, watermark: 500 });
    expect([at(), times.idle()]).toEqual([300, false]);
    other.hear({ ...quiet, epoch: 2, watermark: 500 });
    expect([at(), times.idle()]).toEqual([500, true]);
  });

  it("has passed a barrier when every slot has written it, also where a fast slot has written the next", () => {
    const at = (slot: number, barrier: string): Marker => ({
      epoch: 1,
      slots: 2,
      slot,
      watermark: 0,
      idle: false,
      ended: false,
      barrier,
    });
    const upstream = upstreamOf(1);
    for (const said of [at(0, "one"), at(0, "two"), at(1, "one")]) upstream.hear(said);
    expect(["one", "two"].map((id) => upstream.passed(id))).toEqual([true, false]);
    upstream.hear(at(1, "two"));
    expect(["one", "two"].map((id) => upstream.passed(id))).toEqual([true, true]);
    upstream.hear({ ...at(0, "three"), epoch: 2 });
    expect(upstream.passed("one")).toBe(false);
  });

  it("needs no barrier of a slot that has ended in its own epoch: who has heard all ends reads no further", () => {
    const said = { slots: 2, watermark: 0, idle: false, ended: false, barrier: undefined };
    const upstream = upstreamOf(2);
    for (const slot of [0, 1]) upstream.hear({ ...said, slot, epoch: 1, ended: true });
    expect([upstream.ended, upstream.passed("s")]).toEqual([false, false]);
    upstream.hear({ ...said, slot: 0, epoch: 2, ended: true });
    expect(upstream.passed("s")).toBe(false);
    upstream.hear({ ...said, slot: 1, epoch: 2 });
    expect(upstream.passed("s")).toBe(false);
    upstream.hear({ ...said, slot: 1, epoch: 2, barrier: "s" });
    expect([upstream.ended, upstream.passed("s")]).toEqual([false, true]);
    upstream.hear({ ...said, slot: 1, epoch: 2, ended: true });
    expect([upstream.ended, upstream.passed("never said")]).toEqual([true, true]);
  });
});
