import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { Position, SinkContext, SourceContext, SourceReader } from "weir/connectors";
import { sqlite } from "./sqlite.ts";
import { ticks } from "./ticks.ts";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "weir-sample-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const context = (): SourceContext & SinkContext => ({
  node: "sample",
  clock: { now: () => 0 } as SinkContext["clock"],
  secret: () => undefined,
  referenced: () => undefined,
  resolvePath: (path) => join(folder, path),
  report: () => undefined,
  signal: new AbortController().signal,
  partitionedBy: null,
  lost: () => undefined,
  lineage: "l",
  epoch: 1,
  slot: 0,
  attempt: 0,
  delivery: "AtLeastOnce",
  commitWithinMs: 1_000,
});

/** Everything that a reader gives until it is through, or so many records. */
async function read(reader: SourceReader, most = Infinity): Promise<string[]> {
  const texts: string[] = [];
  let wake: () => void = () => undefined;
  reader.onReady(() => wake());
  while (!reader.finished() && texts.length < most) {
    const batch = reader.poll();
    if (batch === undefined) await new Promise<void>((resolve) => (wake = resolve));
    else
      for (let i = 0; i < batch.n; i++)
        texts.push(batch.buf.toString("utf8", batch.off[i], batch.off[i]! + batch.len[i]!));
  }
  await reader.close();
  return texts;
}

it("ticks goes on where its positions say", async () => {
  const config = { splits: 2, intervalMs: 1, count: 5 };
  const splits = await ticks.splits(config, context());
  const open = (positions: ReadonlyMap<string, Position>): Promise<SourceReader> =>
    ticks.open(
      config,
      splits.map((split) => ({ split, position: positions.get(split.id) })),
      context(),
    );
  const first = await open(new Map());
  const before = await read(first, 4);
  const after = await read(await open(first.positions()));
  const all = [0, 1].flatMap((split) => [0, 1, 2, 3, 4].map((n) => JSON.stringify({ split, n })));
  expect([...before, ...after].toSorted()).toEqual(all);
});

it("sqlite keeps each record once, however often it comes", async () => {
  const sink = await sqlite.open({ path: "out.db", table: "ticks", id: "n" }, context());
  for (const record of [
    { n: 1, v: "a" },
    { n: 2, v: "b" },
    { n: 1, v: "a" },
  ]) {
    const value = Buffer.from(JSON.stringify(record));
    sink.append({ value, start: 0, end: value.length, key: undefined, keyStart: 0, keyEnd: -1, ts: 0 });
  }
  sink.append({ value: Buffer.of(0), start: 1, end: 0, key: undefined, keyStart: 0, keyEnd: -1, ts: 0 });
  await sink.flush();
  await sink.close();
  const rows = new DatabaseSync(join(folder, "out.db")).prepare("SELECT record FROM ticks ORDER BY id").all();
  expect(rows.map((row) => row["record"])).toEqual(['{"n":1,"v":"a"}', '{"n":2,"v":"b"}']);
});
