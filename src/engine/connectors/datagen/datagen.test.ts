import { describe, expect, it } from "vitest";
import { DEFAULT_FIELDS, type DatagenSource } from "../../../api/datagen.schema.ts";
import { manualClock } from "../../../clock.ts";
import { connectorContext } from "../../../../test/builders/connector-context.ts";
import { sourceContract } from "../../../../test/builders/source-contract.ts";
import type { Position, SourceReader } from "../connector.ts";
import { datagenGenerator } from "./generator.ts";
import { datagenSource } from "./source.ts";

const context = connectorContext(["tenant"]).source;

function records(config: DatagenSource, split: number, n: number): string[] {
  const generator = datagenGenerator(config);
  const buf = Buffer.alloc(generator.maxBytes);
  return Array.from({ length: n }, (_, index) => buf.toString("utf8", 0, generator.write(buf, 0, { split, index })));
}

sourceContract("datagen", () => {
  const config: DatagenSource = { splits: 3, rate: 0, count: 5000 };
  const content = new Map([0, 1, 2].map((s) => [`node-${s}`, records(config, s, s < 2 ? 1667 : 1666)] as const));
  return Promise.resolve({ factory: datagenSource, config, context, content, bounded: true });
});

describe("a generated record", () => {
  it("is valid JSON with the fields in the order and shape that was asked for", () => {
    const config: DatagenSource = {
      seed: 7,
      startTime: "2026-01-01T00:00:00Z",
      eventRate: 8,
      fields: [
        { path: "id", sequence: { start: 5 } },
        { path: "a.b", uniform: { min: -3, max: -1 } },
        { path: "a.c", constant: { value: 'say "hi" ü' } },
        { path: "t", timestamp: {} },
        { path: "k", key: { prefix: "k-", count: 16 } },
      ],
    };
    const [first, second] = records(config, 3, 2).map((r) => JSON.parse(r) as Record<string, unknown>);
    expect(Object.keys(first ?? {})).toEqual(["id", "a", "t", "k"]);
    expect(first).toMatchObject({ id: 5, a: { c: 'say "hi" ü' }, t: Date.parse("2026-01-01T00:00:00Z") });
    expect(second).toMatchObject({ id: 6, t: Date.parse("2026-01-01T00:00:01Z") });
    expect([-3, -2, -1]).toContain((first?.["a"] as { b: number } | undefined)?.b);
  });

  it("is the same whoever makes it and whenever, and another with another seed", () => {
    expect(records({ seed: 1 }, 2, 50)).toEqual(records({ seed: 1 }, 2, 50));
    expect(records({ seed: 1 }, 2, 50)).not.toEqual(records({ seed: 2 }, 2, 50));
  });

  it("keeps each key in one split, and uses all keys", () => {
    const splitsOf = new Map<string, Set<number>>();
    for (let split = 0; split < 8; split++) {
      for (const record of records({ splits: 8 }, split, 1000)) {
        const { tenant } = JSON.parse(record) as { tenant: string };
        splitsOf.set(tenant, (splitsOf.get(tenant) ?? new Set()).add(split));
      }
    }
    expect(splitsOf.size).toBe(100);
    expect([...splitsOf].filter(([, splits]) => splits.size > 1)).toEqual([]);
  });

  it("spreads uniform numbers over their whole range", () => {
    const values = records({ fields: [{ path: "n", uniform: { min: 0, max: 9 } }] }, 0, 10_000).map(
      (r) => (JSON.parse(r) as { n: number }).n,
    );
    const counts = Array.from({ length: 10 }, (_, n) => values.filter((v) => v === n).length);
    expect(Math.min(...counts)).toBeGreaterThan(850);
    expect(Math.max(...counts)).toBeLessThan(1150);
  });

  it("is earlier than its place by at most the out-of-orderness", () => {
    const ordered = records({ eventRate: 8000 }, 0, 2000).map((r) => (JSON.parse(r) as { ts: number }).ts);
    const mixed = records({ eventRate: 8000, outOfOrderness: "50ms" }, 0, 2000).map(
      (r) => (JSON.parse(r) as { ts: number }).ts,
    );
    const behind = mixed.map((ts, i) => (ordered[i] as number) - ts);
    expect(Math.min(...behind)).toBe(0);
    expect(Math.max(...behind)).toBe(50);
  });
});

describe("the lag of datagen", () => {
  const config: DatagenSource = { splits: 2, rate: 100, backlog: 1000 };
  function open(
    clock: ReturnType<typeof manualClock>,
    positions?: ReadonlyMap<string, Position>,
  ): Promise<SourceReader> {
    const assigned = [0, 1].map((index) => {
      const id = `node-${index}`;
      return { split: { id, index }, position: positions?.get(id) };
    });
    return datagenSource.open(config, assigned, { ...context, clock });
  }
  const drain = (reader: SourceReader): number => {
    let n = 0;
    for (let batch = reader.poll(); batch !== undefined; batch = reader.poll()) n += batch.n;
    return n;
  };

  it("starts at the backlog, falls as it is read and grows at the rate", async () => {
    const clock = manualClock(1_000_000);
    const reader = await open(clock);
    expect(reader.lag()).toEqual({ records: 1000, oldestTimestamp: 1_000_000 });
    expect(drain(reader)).toBe(1000);
    expect(reader.lag()).toEqual({ records: 0 });
    expect(reader.idleSplits()).toEqual([0, 1]);
    clock.advance(2000);
    expect(reader.lag()).toEqual({ records: 200, oldestTimestamp: 1_000_020 });
    await reader.close();
  });

  it("grows while the job is stopped", async () => {
    const clock = manualClock(0);
    const reader = await open(clock);
    drain(reader);
    const positions = reader.positions();
    await reader.close();
    clock.advance(10_000);
    const again = await open(clock, positions);
    expect(again.lag()?.records).toBe(1000);
    await again.close();
  });
});

describe("datagen with a readRate", () => {
  const config: DatagenSource = { splits: 2, rate: 0, count: 100_000, readRate: 10_000 };
  const open = (clock: ReturnType<typeof manualClock>, indexes: readonly number[]): Promise<SourceReader> => {
    const assigned = indexes.map((index) => ({ split: { id: `node-${index}`, index }, position: undefined }));
    return datagenSource.open(config, assigned, { ...context, clock });
  };
  const drain = (reader: SourceReader): number => {
    let n = 0;
    for (let batch = reader.poll(); batch !== undefined; batch = reader.poll()) n += batch.n;
    return n;
  };
  const during = (reader: SourceReader, clock: ReturnType<typeof manualClock>, ms: number): number => {
    let n = 0;
    for (let at = 0; at < ms; at += 10) {
      clock.advance(10);
      n += drain(reader);
    }
    return n;
  };

  it("reads no faster than that, and from all splits", async () => {
    const clock = manualClock(0);
    const reader = await open(clock, [0, 1]);
    drain(reader);
    expect(during(reader, clock, 2000)).toBe(20_000);
    const positions = [...reader.positions().values()].map((p) => Number(p["next"]));
    expect(Math.abs((positions[0] ?? 0) - (positions[1] ?? 0))).toBeLessThanOrEqual(1024);
    await reader.close();
  });

  it("gives each worker the whole rate, so that two are twice as fast", async () => {
    const clock = manualClock(0);
    const readers = [await open(clock, [0]), await open(clock, [1])];
    for (const reader of readers) drain(reader);
    let n = 0;
    for (let at = 0; at < 1000; at += 10) {
      clock.advance(10);
      for (const reader of readers) n += drain(reader);
    }
    expect(n).toBe(20_000);
    for (const reader of readers) await reader.close();
  });

  it("does not make up for a pause with a burst", async () => {
    const clock = manualClock(0);
    const reader = await open(clock, [0, 1]);
    drain(reader);
    clock.advance(60_000);
    expect(drain(reader)).toBe(1000);
    await reader.close();
  });

  it("counts what it may not read yet as lag, and its splits as not idle", async () => {
    const clock = manualClock(0);
    const reader = await open(clock, [0, 1]);
    const n = drain(reader);
    expect(reader.poll()).toBeUndefined();
    expect(reader.lag()?.records).toBe(100_000 - n);
    expect(reader.idleSplits()).toEqual([]);
    await reader.close();
  });

  it("makes the same records as without", async () => {
    const clock = manualClock(0);
    const reader = await open(clock, [0]);
    const got: string[] = [];
    while (got.length < 3000) {
      for (let batch = reader.poll(); batch !== undefined; batch = reader.poll()) {
        for (let i = 0; i < batch.n; i++) {
          const at = batch.off[i] as number;
          got.push(batch.buf.toString("utf8", at, at + (batch.len[i] as number)));
        }
      }
      clock.advance(10);
    }
    expect(got).toEqual(records({ splits: 2, rate: 0, count: 100_000 }, 0, got.length));
    await reader.close();
  });

  it("wakes the runtime when it may go on", async () => {
    const clock = manualClock(0);
    const reader = await open(clock, [0, 1]);
    const woken = new Promise<void>((resolve) => reader.onReady(resolve));
    drain(reader);
    await woken;
    clock.advance(10);
    expect(drain(reader)).toBe(100);
    await reader.close();
  });
});

describe("what datagen refuses", () => {
  it("is a declared key that does not stay in one split", async () => {
    const other = { ...context, partitionedBy: ["payload", "host"] };
    const attempt = async (): Promise<unknown> => await datagenSource.splits({ fields: DEFAULT_FIELDS }, other);
    await expect(attempt()).rejects.toThrow(/partitionedBy event.payload.host is not true/);
  });

  it("is fewer keys than splits, and a field below another", () => {
    expect(() => datagenGenerator({ splits: 8, fields: [{ path: "k", key: { prefix: "k", count: 4 } }] })).toThrow(
      /4 keys cannot be spread over 8 splits/,
    );
    const a = { path: "a", timestamp: {} };
    expect(() => datagenGenerator({ fields: [a, { path: "a.b", timestamp: {} }] })).toThrow(
      /a.b is given twice, or below/,
    );
  });
});
