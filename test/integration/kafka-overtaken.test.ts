/** Retention overtakes a reader among open, committed and aborted transactions of several producers, in all codecs. */
import { setTimeout as delay } from "node:timers/promises";
import { Producer } from "@platformatic/kafka";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { Position, SourceReader } from "../../src/engine/connectors/connector.ts";
import { kafkaSourceWith } from "../../src/engine/connectors/kafka/source.ts";
import { connectorContext } from "../builders/connector-context.ts";
import { random, type Random } from "../builders/random.ts";
import { recordOf } from "../builders/read-records.ts";
import { startKafka, type KafkaServer } from "../servers/kafka.ts";
import type { ConsumedRecord } from "../servers/kafka-reading.ts";

const SEEDS = process.env["WEIR_LONG"] === "1" ? 100 : 3;
const PARTITIONS = 2;
/** Of all producers. */
const TURNS = 75;

let kafka: KafkaServer;
beforeAll(async () => {
  kafka = await startKafka();
});
afterAll(() => kafka.close());

/** Producers that take turns, most of them within transactions, which they commit or abort. */
async function fill(topic: string, r: Random): Promise<void> {
  const producers = [0, 1, 2].map(
    (i) =>
      new Producer<Buffer, Buffer, Buffer, Buffer>({
        clientId: "weir-test",
        bootstrapBrokers: [...kafka.brokers],
        idempotent: true,
        retries: 100,
        ...(i === 0 ? {} : { transactionalId: `${topic}-${i}` }),
      }),
  );
  let number = 0;
  const messages = () =>
    Array.from({ length: 1 + r.below(40) }, () => ({
      topic,
      partition: r.below(PARTITIONS),
      value: Buffer.from(`${number++} ${"x".repeat(r.below(3_000))}${r.below(1e9)}`),
    }));
  const compression = () => r.pick(["none", "gzip", "snappy", "lz4", "zstd"] as const);
  const open: (Awaited<ReturnType<(typeof producers)[0]["beginTransaction"]>> | undefined)[] = [];
  for (let turn = 0; turn < TURNS; turn++) {
    const i = r.below(3);
    const producer = producers[i] as (typeof producers)[0];
    if (i === 0) await producer.send({ messages: messages(), compression: compression() });
    else {
      const transaction = (open[i] ??= await producer.beginTransaction());
      await transaction.send({ messages: messages(), compression: compression() });
      if (r.chance(0.6)) continue;
      await (r.chance(0.5) ? transaction.commit() : transaction.abort());
      open[i] = undefined;
    }
  }
  for (const transaction of open) if (transaction !== undefined) await transaction.commit();
  for (const producer of producers) await producer.close();
}

/** An answer to EndTxn comes before the brokers of all partitions have heard of it; then the last record is shown. */
async function filled(topic: string, r: Random): Promise<ConsumedRecord[]> {
  await kafka.createTopic(topic, PARTITIONS, { "segment.bytes": "1048576" });
  await fill(topic, r);
  for (let partition = 0; partition < PARTITIONS; partition++)
    await kafka.produce({ topic, partition }, [{ value: "last" }]);
  let all: ConsumedRecord[] = [];
  const lasts = async (): Promise<number> => {
    all = await kafka.consumeAll(topic);
    return all.filter(({ value }) => value === "last").length;
  };
  await expect.poll(lasts, { timeout: 60_000 }).toBe(PARTITIONS);
  return all;
}

/** A job's reader, what it has read, and its last checkpoint. */
class Job {
  readonly context = connectorContext();
  private readonly topic: string;
  private readonly values: ReadonlyMap<string, string>;
  private readonly source = kafkaSourceWith({ refreshMs: 200 });
  private reader: SourceReader | undefined;
  private saved: { positions: ReadonlyMap<string, Position>; read: Map<number, number[]> } | undefined;
  /** Offsets by split. */
  read = new Map<number, number[]>();
  restarts = 0;

  constructor(topic: string, all: readonly ConsumedRecord[]) {
    this.topic = topic;
    this.values = new Map(all.map((x) => [`${topic}[${x.partition}]@${x.offset}`, x.value]));
  }

  async open(): Promise<void> {
    const config = { brokers: kafka.brokers, topics: [this.topic], offsetReset: "Earliest" as const };
    const splits = await this.source.splits(config, this.context.source);
    const assigned = splits.map((split) => ({ split, position: this.saved?.positions.get(split.id) }));
    this.reader = await this.source.open(config, assigned, this.context.source);
    this.read = new Map(splits.map(({ index }) => [index, [...(this.saved?.read.get(index) ?? [])]]));
    if (this.saved === undefined) this.checkpoint();
  }

  async restart(): Promise<void> {
    await this.close();
    await this.open();
    this.restarts++;
  }

  checkpoint(): void {
    const positions = [...(this.reader?.positions() ?? [])].map(([id, p]) => [id, { ...p }] as const);
    const read = [...this.read].map(([split, offsets]): [number, number[]] => [split, [...offsets]]);
    this.saved = { positions: new Map(positions), read: new Map(read) };
  }

  /** False where there was nothing. */
  poll(): boolean {
    const batch = this.reader?.poll();
    if (batch === undefined) return false;
    for (let i = 0; i < batch.n; i++) {
      const { place, value, split } = recordOf(batch, i);
      expect(value, `${place} is no record that was committed, or another one`).toBe(this.values.get(place));
      const offset = Number(place.split("@")[1]);
      const offsets = this.read.get(split) as number[];
      expect(offset, `${place} comes behind ${offsets.at(-1)}`).toBeGreaterThan(offsets.at(-1) ?? -1);
      offsets.push(offset);
    }
    return true;
  }

  isThrough(): boolean {
    return this.reader?.lag()?.records === 0;
  }

  async close(): Promise<void> {
    await this.reader?.close();
  }
}

/** Turns without a record after which nothing more comes, and after which a job starts again to read more. */
const QUIET = { end: 200, again: 20, restarts: 6 };

async function overtaken(seed: number): Promise<{ read: number; lost: number; deletions: number; restarts: number }> {
  const r = random(seed);
  const topic = `overtaken-${seed}`;
  const all = await filled(topic, r);
  const ends = await kafka.endOffsets(topic);
  const begins = ends.map(() => 0);
  let deletions = 0;
  const overtake = async (): Promise<void> => {
    const p = r.below(PARTITIONS);
    const [begin = 0, end = 0] = [begins[p], ends[p]];
    begins[p] = Math.min(end, begin + r.below(Math.ceil(end / 8)));
    await kafka.deleteRecordsBefore(topic, p, begins[p]);
    deletions++;
    if (r.chance(0.5)) await delay(r.below(100));
  };
  const job = new Job(topic, all);
  await job.open();
  for (let quiet = 0; quiet < QUIET.end;) {
    if (job.poll()) {
      quiet = 0;
      if (r.chance(0.4)) job.checkpoint();
      if (r.chance(0.35)) await overtake();
      if (r.chance(0.4)) await job.restart();
      continue;
    }
    quiet = job.isThrough() ? quiet + 1 : 0;
    await delay(2);
    if (quiet === QUIET.again && job.restarts < QUIET.restarts) await job.restart();
  }
  await job.close();
  const there = new Map([...job.read].map(([split, offsets]) => [split, new Set(offsets)]));
  const missing = all.filter((x) => there.get(x.partition)?.has(x.offset) !== true);
  const wrongly = missing.filter((x) => x.offset >= (begins[x.partition] ?? 0));
  expect({ topic, wrongly: wrongly.map((x) => `${x.partition}@${x.offset}`) }).toEqual({ topic, wrongly: [] });
  const told = job.context.losses.reduce((sum, loss) => sum + loss.records, 0);
  expect(told, `${topic}: ${missing.length} are missing`).toBeGreaterThanOrEqual(missing.length);
  return { read: all.length - missing.length, lost: missing.length, deletions, restarts: job.restarts };
}

it(
  "gives what is still there once, in order, and nothing that was aborted; and counts what is gone",
  { timeout: 3_000_000 },
  async () => {
    const sum = { read: 0, lost: 0, deletions: 0, restarts: 0 };
    for (let seed = 1; seed <= SEEDS; seed++) {
      const found = await overtaken(seed);
      for (const of of ["read", "lost", "deletions", "restarts"] as const) sum[of] += found[of];
    }
    console.log(`overtaken by retention, ${SEEDS} topics: ${JSON.stringify(sum)}`);
    expect(Math.min(...Object.values(sum))).toBeGreaterThan(0);
  },
);
