import { describe, expect, it } from "vitest";
import { MAX_BATCH_BYTES, MAX_BATCH_RECORDS, type Batch } from "../../src/engine/batch.ts";
import type { Position, SourceContext, SourceFactory, SourceReader } from "../../src/engine/connectors/connector.ts";

/** A source with known content. */
export interface SourceUnderTest {
  readonly factory: SourceFactory;
  readonly config: unknown;
  readonly context: SourceContext;
  /** Values by split id, in order, that are there when the test begins. */
  readonly content: ReadonlyMap<string, readonly string[]>;
  /** The source ends after its content. */
  readonly bounded: boolean;
}

/** Reads until `count` records came, waiting to be woken whenever there is nothing. */
export async function readFrom(reader: SourceReader, count: number, each?: (batch: Batch) => void): Promise<number> {
  let wake = (): void => {};
  reader.onReady(() => wake());
  let read = 0;
  while (read < count) {
    const woken = new Promise<void>((resolve) => {
      wake = resolve;
    });
    const batch = reader.poll();
    if (batch === undefined) {
      await woken;
      continue;
    }
    read += batch.n;
    each?.(batch);
  }
  return read;
}

const valueOf = (batch: Batch, i: number): string => {
  const start = batch.off[i] as number;
  return batch.buf.toString("utf8", start, start + (batch.len[i] as number));
};

/** What every source must do; call it inside a test file with a function that makes the source. */
export function sourceContract(name: string, make: () => Promise<SourceUnderTest>): void {
  const total = (of: SourceUnderTest): number =>
    [...of.content.values()].reduce((sum, values) => sum + values.length, 0);

  /** Opens slot `slot` of `slots`, as the runtime deals splits. */
  async function open(
    of: SourceUnderTest,
    {
      slot = 0,
      slots = 1,
      positions,
    }: { slot?: number; slots?: number; positions?: ReadonlyMap<string, Position> } = {},
  ): Promise<SourceReader> {
    const splits = await of.factory.splits(of.config, of.context);
    const mine = splits.filter((s) => s.index % slots === slot);
    const assigned = mine.map((split) => ({ split, position: positions?.get(split.id) }));
    return await of.factory.open(of.config, assigned, of.context);
  }

  async function collect(
    of: SourceUnderTest,
    reader: SourceReader,
    count: number,
    into: Map<string, string[]>,
  ): Promise<void> {
    const ids = new Map((await of.factory.splits(of.config, of.context)).map((s) => [s.index, s.id] as const));
    await readFrom(reader, count, (batch) => {
      const id = ids.get(batch.split) ?? "?";
      const values = into.get(id) ?? [];
      into.set(id, values);
      for (let i = 0; i < batch.n; i++) values.push(valueOf(batch, i));
    });
  }

  describe(`${name} as a source`, () => {
    it("lists the same splits every time, in order of their index", async () => {
      const of = await make();
      const splits = await of.factory.splits(of.config, of.context);
      expect(splits.map((s) => s.index)).toEqual(splits.map((_, i) => i));
      expect(new Set(splits.map((s) => s.id)).size).toBe(splits.length);
      expect(await of.factory.splits(of.config, of.context)).toEqual(splits);
    });

    it("gives every record of every split once and in order", async () => {
      const of = await make();
      const reader = await open(of);
      const seen = new Map<string, string[]>();
      await collect(of, reader, total(of), seen);
      expect(seen).toEqual(new Map([...of.content].filter(([, values]) => values.length > 0)));
      await reader.close();
    });

    it("gives every record once over any number of slots", async () => {
      const of = await make();
      const seen = new Map<string, string[]>();
      for (let slot = 0; slot < 3; slot++) {
        const reader = await open(of, { slot, slots: 3 });
        const splits = await of.factory.splits(of.config, of.context);
        const mine = splits.filter((s) => s.index % 3 === slot);
        const count = mine.reduce((sum, s) => sum + (of.content.get(s.id)?.length ?? 0), 0);
        await collect(of, reader, count, seen);
        await reader.close();
      }
      expect(seen).toEqual(new Map([...of.content].filter(([, values]) => values.length > 0)));
    });

    it("goes on exactly after the last polled batch from its positions, as they come back from JSON", async () => {
      const of = await make();
      const seen = new Map<string, string[]>();
      let positions: ReadonlyMap<string, Position> | undefined;
      let left = total(of);
      while (left > 0) {
        const reader = await open(of, positions === undefined ? {} : { positions });
        await collect(of, reader, Math.min(left, Math.ceil(total(of) / 3)), seen);
        left = total(of) - [...seen.values()].reduce((sum, values) => sum + values.length, 0);
        positions = new Map(JSON.parse(JSON.stringify([...reader.positions()])) as [string, Position][]);
        await reader.close();
      }
      expect(seen).toEqual(new Map([...of.content].filter(([, values]) => values.length > 0)));
    });

    it("keeps batches small and can say where each record is from", async () => {
      const of = await make();
      const reader = await open(of);
      await readFrom(reader, total(of), (batch) => {
        expect(batch.n).toBeLessThanOrEqual(MAX_BATCH_RECORDS);
        expect(batch.off[batch.n - 1] as number).toBeLessThanOrEqual(MAX_BATCH_BYTES * 2);
        expect(batch.describe(0)).not.toBe("");
      });
      await reader.close();
    });

    it("has ended when it is bounded and everything was given out, and not before", async () => {
      const of = await make();
      const reader = await open(of);
      expect(reader.finished()).toBe(false);
      await readFrom(reader, total(of));
      // Finding the end may take reads of its own; the test's time limit is the bound.
      while (of.bounded && !reader.finished()) {
        reader.poll();
        await new Promise((resolve) => setImmediate(resolve));
      }
      expect(reader.finished()).toBe(of.bounded);
      await reader.close();
    });
  });
}
