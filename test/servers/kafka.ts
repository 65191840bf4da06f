/**
 * A real Kafka broker for a test: own folder, own free ports, gone when the test process is gone. The clients here are
 * another library than the product's own, so that the two check each other.
 */
import { execFile } from "node:child_process";
import { appendFileSync, cpSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { inspect, promisify } from "node:util";
import { Admin, Producer, compatibilityPartitioner } from "@platformatic/kafka";
import { freePorts } from "./free-ports.ts";
import { startSecondBroker, type SecondBroker } from "./kafka-second-broker.ts";
import { end, kafkaFolder, launch } from "./kafka-process.ts";
import {
  beginOffsets,
  consumeAll,
  consumeEach,
  endOffsets,
  type ConsumedRecord,
  type Isolation,
} from "./kafka-reading.ts";

export interface KafkaRecord {
  readonly key?: string | Buffer | null;
  readonly value: string | Buffer | null;
  readonly timestamp?: number;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface ProduceSettings {
  readonly topic: string;
  /** Without it records go where Kafka's default partitioner sends their key. */
  readonly partition?: number;
  readonly compression?: "none" | "gzip" | "snappy" | "lz4" | "zstd";
  /** Writes in one transaction and then does this. */
  readonly transaction?: "commit" | "abort";
}

export interface KafkaServer {
  /** host:port. */
  readonly brokers: readonly string[];
  /** host:port of each further listener, by its security protocol. The host is a name, "localhost". */
  readonly listeners: ReadonlyMap<string, string>;
  /** Where its log files are. */
  readonly dataDir: string;
  createTopic(
    name: string,
    partitions: number,
    settings?: Readonly<Record<string, string>>,
    replicas?: number,
  ): Promise<void>;
  deleteTopic(name: string): Promise<void>;
  /** Names of all topics that are not Kafka's own, sorted. */
  topics(): Promise<string[]>;
  addPartitions(name: string, total: number): Promise<void>;
  /** Id of each partition's leader; -1 is none. */
  leaders(topic: string): Promise<number[]>;
  /** Removes the records before this offset, as retention would. */
  deleteRecordsBefore(topic: string, partition: number, offset: number): Promise<void>;
  produce(target: ProduceSettings, records: readonly KafkaRecord[]): Promise<void>;
  /** Everything from the first to the current end offset, partition by partition in offset order. */
  consumeAll(topic: string, options?: { readonly isolation: Isolation }): Promise<ConsumedRecord[]>;
  /** The same, of a topic that is not to be held in memory. */
  consumeEach(topic: string, each: (record: ConsumedRecord) => void): Promise<void>;
  /** Offset of the first record that each partition still has. */
  beginOffsets(topic: string): Promise<number[]>;
  /** Offset behind the last record of each partition; transaction markers count. */
  endOffsets(topic: string): Promise<number[]>;
  /** Lets consumers with this client id read only so many bytes a second; undefined lifts the limit. */
  limitReads(clientId: string, bytesPerSecond: number | undefined): Promise<void>;
  /** What a consumer group has committed, by "topic-partition". */
  committed(group: string): Promise<Map<string, number>>;
  /** Ends the broker the way an upgrade does; data and ports are kept for `restart`. */
  stop(): Promise<void>;
  /** kill -9. */
  kill(): Promise<void>;
  /** Starts it again on the same ports with the same data. */
  restart(): Promise<void>;
  /** Starts a second broker of the cluster; `close` ends it, too. */
  addBroker(): Promise<SecondBroker>;
  /** Ends the broker and removes its folder. */
  close(): Promise<void>;
}

/**
 * `secured` names the security protocols of further listeners; `settings` must say how they prove who is who. `host` is the
 * address of this machine that the plain listener is reached at.
 */
export async function startKafka(
  settings: Readonly<Record<string, string>> = {},
  secured: readonly ("SSL" | "SASL_SSL" | "SASL_PLAINTEXT")[] = [],
  host = "127.0.0.1",
): Promise<KafkaServer> {
  const home = await install();
  const dir = mkdtempSync(join(tmpdir(), "weir-kafka-"));
  const [port, controllerPort, ...others] = await freePorts(2 + secured.length);
  const at = (name: string): string[] => secured.map((protocol, i) => `${protocol}://${name}:${others[i]}`);
  const cleanUp = (): void => rmSync(dir, { recursive: true, force: true });
  process.on("exit", cleanUp);
  const config = join(dir, "server.properties");
  cpSync(join(home, "formatted"), join(dir, "data"), { recursive: true });
  cpSync(join(kafkaFolder, "server.properties"), config);
  const own = {
    listeners: [`PLAINTEXT://${host}:${port}`, `CONTROLLER://127.0.0.1:${controllerPort}`, ...at("127.0.0.1")].join(
      ",",
    ),
    "advertised.listeners": [`PLAINTEXT://${host}:${port}`, ...at("localhost")].join(","),
    "listener.security.protocol.map":
      ["PLAINTEXT", ...secured].map((p) => `${p}:${p}`).join(",") + ",CONTROLLER:PLAINTEXT",
    "controller.quorum.voters": `1@127.0.0.1:${controllerPort}`,
    "log.dirs": join(dir, "data"),
    ...settings,
  };
  appendFileSync(
    config,
    Object.entries(own)
      .map(([name, value]) => `${name}=${value}\n`)
      .join(""),
  );
  const brokers = [`${host}:${port}`];
  let broker = await launch(home, dir);
  let second: { close(): Promise<void> } | undefined;
  return {
    brokers,
    listeners: new Map(secured.map((protocol, i) => [protocol, `localhost:${others[i]}`])),
    dataDir: join(dir, "data"),
    ...adminOf(brokers),
    produce: (target, records) => produce(brokers, target, records),
    consumeAll: (topic, options) => consumeAll(brokers, topic, options?.isolation ?? "committed"),
    consumeEach: (topic, each) => consumeEach(brokers, topic, "committed", each),
    stop: () => end(broker, "SIGTERM"),
    kill: () => end(broker, "SIGKILL"),
    restart: async () => {
      await end(broker, "SIGTERM");
      broker = await launch(home, dir);
    },
    addBroker: async () => {
      const started = await startSecondBroker(home, own["controller.quorum.voters"]);
      second = started;
      return started;
    },
    close: async () => {
      await second?.close();
      await end(broker, "SIGKILL");
      process.off("exit", cleanUp);
      cleanUp();
    },
  };
}

async function install(): Promise<string> {
  const { stdout } = await promisify(execFile)("bash", [join(kafkaFolder, "build.sh")]);
  return stdout.trim().split("\n").at(-1) ?? "";
}

const options = (brokers: readonly string[]) => ({
  clientId: "weir-test",
  bootstrapBrokers: [...brokers],
  retries: 300,
  retryDelay: 200,
});

async function withAdmin<T>(brokers: readonly string[], work: (admin: Admin) => Promise<T>): Promise<T> {
  const admin = new Admin(options(brokers));
  try {
    return await work(admin);
  } finally {
    await admin.close();
  }
}

function adminOf(
  brokers: readonly string[],
): Pick<
  KafkaServer,
  | "createTopic"
  | "deleteTopic"
  | "addPartitions"
  | "leaders"
  | "deleteRecordsBefore"
  | "topics"
  | "beginOffsets"
  | "endOffsets"
  | "limitReads"
  | "committed"
> {
  return {
    createTopic: (name, partitions, settings = {}, replicas = 1) =>
      withAdmin(brokers, async (admin) => {
        const configs = Object.entries(settings).map(([key, value]) => ({ name: key, value }));
        const create = () => admin.createTopics({ topics: [name], partitions, replicas, configs });
        await whileFenced(create);
      }),
    deleteTopic: (name) => withAdmin(brokers, (admin) => admin.deleteTopics({ topics: [name] })),
    addPartitions: (name, total) =>
      withAdmin(brokers, async (admin) => {
        const now = (await admin.metadata({ topics: [name] })).topics.get(name)?.partitionsCount ?? 0;
        const assignments = Array.from({ length: total - now }, () => ({ brokerIds: [1] }));
        await admin.createPartitions({ topics: [{ name, count: total, assignments }], validateOnly: false });
      }),
    leaders: (name) =>
      withAdmin(brokers, async (admin) => {
        const { topics } = await admin.metadata({ topics: [name], forceUpdate: true });
        return Object.values(topics.get(name)?.partitions ?? {}).map((p) => p.leader);
      }),
    deleteRecordsBefore: (topic, partition, offset) =>
      withAdmin(brokers, async (admin) => {
        await admin.deleteRecords({ topics: [{ name: topic, partitions: [{ partition, offset: BigInt(offset) }] }] });
      }),
    topics: () => withAdmin(brokers, async (admin) => (await admin.listTopics()).toSorted()),
    beginOffsets: (topic) => beginOffsets(brokers, topic),
    endOffsets: (topic) => endOffsets(brokers, topic),
    limitReads: (clientId, bytesPerSecond) =>
      withAdmin(brokers, async (admin) => {
        const key = "consumer_byte_rate" as const;
        const op =
          bytesPerSecond === undefined
            ? { key, remove: true as const }
            : { key, value: bytesPerSecond, remove: false as const };
        const entities = [{ entityType: "client-id" as const, entityName: clientId }];
        await admin.alterClientQuotas({ entries: [{ entities, ops: [op] }] });
      }),
    committed: (group) =>
      withAdmin(brokers, async (admin) => {
        const groups = await admin.listConsumerGroupOffsets({ groups: [group] });
        const entries = groups.flatMap((g) =>
          g.topics.flatMap((t) =>
            t.partitions.map((p) => [`${t.name}-${p.partitionIndex}`, Number(p.committedOffset)] as const),
          ),
        );
        return new Map(entries.filter(([, offset]) => offset >= 0));
      }),
  };
}

/** A broker that the machine held up for its whole session takes no topics until its next heartbeat. */
async function whileFenced(create: () => Promise<unknown>): Promise<void> {
  for (let left = 60; ; left--) {
    try {
      await create();
      return;
    } catch (e) {
      if (left === 0 || !inspect(e, { depth: 6 }).includes("currently fenced")) throw e;
      await delay(500);
    }
  }
}

let transactions = 0;

async function produce(
  brokers: readonly string[],
  target: ProduceSettings,
  records: readonly KafkaRecord[],
): Promise<void> {
  const producer = new Producer<Buffer, Buffer, string, string>({
    ...options(brokers),
    idempotent: true,
    partitioner: (_, key) => compatibilityPartitioner(_, key),
    ...(target.transaction === undefined ? {} : { transactionalId: `weir-test-${process.pid}-${transactions++}` }),
    serializers: { headerKey: (text) => Buffer.from(text ?? ""), headerValue: (text) => Buffer.from(text ?? "") },
  });
  const send = (some: readonly KafkaRecord[]) => ({
    ...(target.compression === undefined ? {} : { compression: target.compression }),
    messages: some.map((record) => ({
      topic: target.topic,
      ...(target.partition === undefined ? {} : { partition: target.partition }),
      ...(record.key === undefined || record.key === null ? {} : { key: Buffer.from(record.key) }),
      // The library's type leaves tombstones out; the wire takes them.
      value: (record.value === null ? undefined : Buffer.from(record.value)) as Buffer,
      ...(record.timestamp === undefined ? {} : { timestamp: BigInt(record.timestamp) }),
      ...(record.headers === undefined ? {} : { headers: record.headers }),
    })),
  });
  try {
    if (target.transaction === undefined) {
      for (const some of inRequests(records)) await producer.send(send(some));
      return;
    }
    const transaction = await producer.beginTransaction();
    for (const some of inRequests(records)) await transaction.send(send(some));
    await (target.transaction === "commit" ? transaction.commit() : transaction.abort());
  } finally {
    await producer.close();
  }
}

/** A broker takes batches of up to 1 MiB. */
function* inRequests(records: readonly KafkaRecord[]): Generator<readonly KafkaRecord[]> {
  let from = 0;
  let bytes = 0;
  for (const [i, record] of records.entries()) {
    const size = 100 + (record.value?.length ?? 0);
    if (bytes + size > 900_000) {
      yield records.slice(from, i);
      from = i;
      bytes = 0;
    }
    bytes += size;
  }
  yield records.slice(from);
}
