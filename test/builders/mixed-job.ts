/** A job with many kinds of nodes at once, on Kafka, and what it is to write: computed from its records alone. */
import type { Pipeline } from "../../src/api/pipeline.schema.ts";
import type { Plan } from "../../src/engine/plan.ts";
import { planPipeline } from "../../src/engine/planner/plan-pipeline.ts";
import type { KafkaServer } from "../servers/kafka.ts";
import type { Random } from "./random.ts";

const KEYS = 40;
const PARTITIONS = 5;
const BASE = 1_700_000_000_000;
const GAP_MS = 400;
const TIMER_MS = 500;
const CODECS = ["none", "gzip", "snappy", "lz4", "zstd"] as const;

export interface MixedRecord {
  readonly n: number;
  readonly key: string;
  readonly at: number;
}

export interface MixedJob {
  readonly name: string;
  readonly records: readonly MixedRecord[];
  /** 0 is as fast as it can. */
  plan(perSecond: number): Plan;
  /** What is wrong with what was written; nothing is expected to be. */
  judge(): Promise<readonly string[]>;
}

/** For `functions/timers.mjs` below a pod's "/": counts each key's records by half seconds, and gives them by a timer. */
export const TIMERS = `export default {
  onRecord: (_, { state, timers, timestamp }) => {
    const end = (Math.floor(timestamp / ${TIMER_MS}) + 1) * ${TIMER_MS};
    const counts = state.map("counts");
    counts.set(String(end), (counts.get(String(end)) ?? 0) + 1);
    timers.set(String(end), end);
  },
  onTimer: ({ name, time }, { key, state, emit }) => {
    const counts = state.map("counts");
    emit({ key, at: time, n: counts.get(name) });
    counts.delete(name);
  },
};
`;

export interface Asked {
  /** Answers GET /<key> with {"cents"}, a hundred times the number in the key. */
  readonly url: string;
  readonly records: number;
}

/** Creates the topics and fills them: in all codecs, with aborted transactions between the records. */
export async function mixedJob(kafka: KafkaServer, r: Random, asked: Asked & { name: string }): Promise<MixedJob> {
  const { name } = asked;
  const topics = { in: `${name}.in`, counts: `${name}.counts`, windows: `${name}.windows`, rules: `${name}.rules` };
  await kafka.createTopic(topics.in, PARTITIONS);
  await kafka.createTopic(topics.counts, 3);
  await kafka.createTopic(topics.windows, 2);
  await kafka.createTopic(topics.rules, 2);
  const records = Array.from({ length: asked.records }, (_, n): MixedRecord => ({
    n,
    key: `k${(n * 7 + (n >> 5)) % KEYS}`,
    at: BASE + n + Math.floor(n / 700) * 1_000,
  }));
  await fill(kafka, topics.in, { r, records });
  const rules = Array.from({ length: KEYS }, (_, k) => ({ id: `k${k}`, factor: k * 3 }));
  await kafka.produce(
    { topic: topics.rules },
    rules.map((rule) => ({ key: rule.id, value: JSON.stringify(rule) })),
  );
  return {
    name,
    records,
    plan: (perSecond) => {
      const pipeline = pipelineOf(kafka, { topics, perSecond, url: asked.url });
      return planPipeline(pipeline, { parameters: {}, maxParallelism: 8, delivery: "ExactlyOnce" });
    },
    judge: async () => [
      ...judgeCounts(records, await rowsOf<Counted>(kafka, topics.counts)),
      ...judgeWindows(records, await rowsOf<Window>(kafka, topics.windows)),
    ],
  };
}

async function fill(kafka: KafkaServer, topic: string, of: { r: Random; records: readonly MixedRecord[] }) {
  const { r, records } = of;
  for (let partition = 0; partition < PARTITIONS; partition++) {
    const mine = records.filter(({ n }) => (n * 31 + (n >> 3)) % PARTITIONS === partition);
    for (let from = 0; from < mine.length;) {
      const piece = mine.slice(from, from + 300 + r.below(900));
      from += piece.length;
      const to = { topic, partition, compression: r.pick(CODECS) };
      const lines = piece.map((x) => ({ key: x.key, value: JSON.stringify(x), timestamp: x.at }));
      const bad = JSON.stringify({ key: "aborted", at: BASE, n: -1 });
      if (r.chance(0.5)) {
        const voided = lines.map((line) => ({ ...line, value: bad }));
        await kafka.produce({ ...to, transaction: "abort" }, voided);
      }
      await kafka.produce({ ...to, ...(r.chance(0.4) ? { transaction: "commit" } : {}) }, lines);
    }
  }
}

interface Settings {
  readonly topics: { readonly in: string; readonly counts: string; readonly windows: string; readonly rules: string };
  readonly perSecond: number;
  readonly url: string;
}

function pipelineOf(kafka: KafkaServer, { topics, perSecond, url }: Settings): Pipeline {
  const slowly = perSecond === 0 ? { peek: { every: 1_000_000 } } : { rateLimit: { perSecond, burst: perSecond / 10 } };
  const from = (topic: string) => ({ connection: "main", kafka: { topics: [topic] } });
  const to = (topic: string) => ({ connection: "main", kafka: { topic, key: "event.key" } });
  const row = { key: "left.key", at: "left.at", n: "left.n" };
  return {
    connections: [
      { name: "main", kafka: { brokers: [...kafka.brokers] } },
      { name: "prices", http: { url } },
    ],
    functions: [{ name: "timers", module: { path: "/functions/timers.mjs" } }],
    nodes: [
      {
        name: "events",
        source: from(topics.in),
        schema: { key: "string", at: "timestamp_ms", n: "int" },
        eventTime: { field: "event.at", maxOutOfOrderness: "0s" },
      },
      { name: "slowly", from: ["events"], ...slowly },
      { name: "rules", source: from(topics.rules) },
      {
        name: "ruled",
        from: ["slowly"],
        broadcast: {
          from: "rules",
          leftKey: "left.key",
          rightKey: "right.id",
          type: "Left",
          select: { ...row, factor: "right.factor" },
        },
      },
      {
        name: "priced",
        from: ["ruled"],
        join: {
          type: "Left",
          leftKey: "left.key",
          lookup: { connection: "prices", path: "/{key}", capacity: 60 },
          select: { ...row, factor: "left.factor", cents: "right.cents" },
        },
      },
      {
        name: "counted",
        from: ["priced"],
        keyBy: "event.key",
        aggregate: { n: "count()", factor: "max(event.factor)", cents: "max(event.cents)" },
      },
      {
        name: "sessions",
        from: ["priced"],
        keyBy: "event.key",
        window: { session: { gap: `${GAP_MS}ms` } },
        aggregate: { n: "count()", at: "min(event.n)" },
      },
      { name: "timed", from: ["priced"], keyBy: "event.key", process: { function: "timers" } },
      { name: "session", from: ["sessions"], map: { of: "'session'", key: "event.key", at: "event.at", n: "event.n" } },
      { name: "late", from: ["sessions.late"], map: { of: "'late'", key: "event.key", at: "event.n", n: "1" } },
      { name: "timer", from: ["timed"], map: { of: "'timer'", key: "event.key", at: "event.at", n: "event.n" } },
      { name: "counts", from: ["counted"], sink: to(topics.counts) },
      { name: "windows", from: ["session", "late", "timer"], sink: to(topics.windows) },
    ],
  };
}

interface Counted {
  readonly key: string;
  readonly n: number;
  readonly factor: number;
  readonly cents: number;
}
interface Window {
  readonly of: string;
  readonly key: string;
  readonly at: number;
  readonly n: number;
}

const rowsOf = async <T>(kafka: KafkaServer, topic: string): Promise<T[]> =>
  (await kafka.consumeAll(topic)).map(({ value }) => JSON.parse(value) as T);

function judgeCounts(records: readonly MixedRecord[], counts: readonly Counted[]): string[] {
  const seen = new Map<string, number>();
  let [disorder, wrong] = [0, 0];
  for (const { key, n, factor, cents } of counts) {
    if ((seen.get(key) ?? 0) + 1 !== n) disorder++;
    seen.set(key, n);
    const k = Number(key.slice(1));
    if (factor !== k * 3 || cents !== k * 100) wrong++;
  }
  if (counts.length === records.length && disorder === 0 && wrong === 0) return [];
  return [`${counts.length} counts of ${records.length} records, ${disorder} out of sequence, ${wrong} wrong`];
}

function judgeWindows(records: readonly MixedRecord[], windows: readonly Window[]): string[] {
  const wanted = windowsOf(records);
  const found = new Map(windows.map((w) => [`${w.of} ${w.key} ${w.at}`, w.n]));
  const lost = [...wanted.keys()].filter((id) => !found.has(id));
  const wrong = [...found].filter(([id, n]) => wanted.get(id) !== n).map(([id, n]) => `${id}: ${n}`);
  const twice = windows.length - found.size;
  if (lost.length + wrong.length + twice === 0) return [];
  return [`${lost.length} windows lost (${lost[0]}), ${twice} twice, ${wrong.length} wrong (${wrong[0]})`];
}

function windowsOf(records: readonly MixedRecord[]): Map<string, number> {
  const wanted = new Map<string, number>();
  const sessions = new Map<string, { id: string; last: number }>();
  const count = (id: string): void => void wanted.set(id, (wanted.get(id) ?? 0) + 1);
  for (const { key, at, n } of records) {
    count(`timer ${key} ${(Math.floor(at / TIMER_MS) + 1) * TIMER_MS}`);
    const open = sessions.get(key);
    const id = open === undefined || at - open.last >= GAP_MS ? `session ${key} ${n}` : open.id;
    sessions.set(key, { id, last: at });
    count(id);
  }
  return wanted;
}
