import type { Batch } from "../src/engine/batch.ts";
import type { OutRecord, SinkWriter } from "../src/engine/connectors/connector.ts";

/** What the benchmarks of a program in this process share: a sink that only copies bytes, or keeps the last object, and the measuring itself. */
export function copyingSink(): SinkWriter {
  const block = Buffer.allocUnsafe(1 << 20);
  let at = 0;
  let records = 0;
  let bytes = 0;
  let held: unknown;
  return {
    rows: true,
    append: ({ value, start, end, row }: OutRecord) => {
      records++;
      if (row !== undefined) {
        held = row;
        return;
      }
      if (at + end - start > block.length) at = 0;
      value.copy(block, at, start, end);
      at += end - start;
      bytes += end - start;
    },
    saturated: () => false,
    onDrain: () => {},
    flush: () => Promise.resolve(),
    counters: () => ({ records, bytes: held === undefined ? bytes : 0 }),
    close: () => Promise.resolve(),
  };
}

/** Records per CPU second (user + system, GC and JIT included) of at least so much CPU time, after a warm-up. */
export function measure(pass: () => number, seconds: number, warmUp = 5): number {
  for (let warm = 0; warm < warmUp; warm++) pass();
  const before = process.cpuUsage();
  let records = 0;
  let cpu = 0;
  while (cpu < seconds) {
    records += pass();
    const used = process.cpuUsage(before);
    cpu = (used.user + used.system) / 1e6;
  }
  return records / cpu;
}

/** The same of so many chunks of a stream, each of which is made off the clock. */
export function measureStream(
  stream: { next: () => readonly Batch[]; pass: (batches: readonly Batch[]) => void },
  chunks: number,
): number {
  let records = 0;
  let cpu = 0;
  for (let chunk = 0; chunk < chunks; chunk++) {
    const batches = stream.next();
    const before = process.cpuUsage();
    stream.pass(batches);
    const { user, system } = process.cpuUsage(before);
    cpu += (user + system) / 1e6;
    records += recordsIn(batches);
  }
  return records / cpu;
}

/** J: `JSON.parse` of each record from its buffer, two fields read. */
export function parseAll(batches: readonly Batch[]): () => number {
  return () => {
    let hits = 0;
    for (const { buf, off, len, n } of batches)
      for (let i = 0; i < n; i++) {
        const start = off[i] as number;
        const value = JSON.parse(buf.toString("utf8", start, start + (len[i] as number))) as {
          type: string;
          payload: { lag: number };
        };
        if (value.type === "metrics" && value.payload.lag > 10_000) hits++;
      }
    return hits < 0 ? 0 : recordsIn(batches);
  };
}

export const recordsIn = (batches: readonly Batch[]): number => batches.reduce((sum, b) => sum + b.n, 0);

export const million = (n: number): string => (n / 1e6).toFixed(2).padStart(8);

/** Events of 155 bytes; each of so many tenants comes once before the first comes again. */
export function eventLine(i: number, tenants: number): Buffer {
  return Buffer.from(
    JSON.stringify({
      type: i % 5 < 3 ? "metrics" : "heartbeat",
      ts: 1_767_225_600_000 + i,
      tenant: `tenant-${(i * 7919) % tenants}`,
      seq: i,
      payload: {
        lag: (i * 104_729) % 20_000,
        host: `host-${i % 10}`,
        region: "eu-central-1",
        note: "steady as she goes",
      },
    }),
  );
}

export function batchOf(lines: readonly Buffer[], split: number): Batch {
  const len = Int32Array.from(lines, (line) => line.length);
  const off = new Int32Array(lines.length);
  lines.reduce((at, line, i) => ((off[i] = at), at + line.length), 0);
  const ts = new Float64Array(lines.length);
  return { split, n: lines.length, buf: Buffer.concat(lines), off, len, ts, key: undefined, describe: String };
}
