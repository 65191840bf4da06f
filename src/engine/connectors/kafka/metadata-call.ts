import type { Call, Connection } from "./connection.ts";
import { WireWriter, type WireReader } from "./wire.ts";

/** Metadata 12 (Kafka 3.1) tells a topic from another of its name; brokers that do not know it are asked by version 8. */
const METADATA: Call = { key: 3, version: 12 };
const OLD_METADATA: Call = { key: 3, version: 8 };
const API_VERSIONS: Call = { key: 18, version: 0, withoutLogin: true };

export interface Metadata {
  /** "host:port" by broker id. */
  readonly brokers: ReadonlyMap<number, string>;
  readonly topics: ReadonlyMap<string, TopicMetadata>;
  /** Id of the broker that makes and deletes topics, or hands such calls on. */
  readonly controller?: number;
}

export interface TopicMetadata {
  readonly error: number;
  /** Another for each topic ever created, whatever its name; absent where the broker has none. */
  readonly id?: string;
  /** Index = partition; leader −1 where there is none now. */
  readonly partitions: readonly { readonly leader: number; readonly leaderEpoch: number }[];
}

/** Whether this broker knows topics by id. */
export async function knowsTopicIds(connection: Connection): Promise<boolean> {
  const { reader } = await connection.send(API_VERSIONS, new WireWriter());
  reader.int16(); // error
  const calls = reader.array(() => ({ key: reader.int16(), min: reader.int16(), max: reader.int16() }));
  return calls.some(({ key, min, max }) => key === METADATA.key && min <= METADATA.version && METADATA.version <= max);
}

/** Never creates topics. "all" is every topic that the user may see, without ids. */
export async function fetchMetadata(
  connection: Connection,
  topics: readonly string[] | "all",
  { ids }: { readonly ids: boolean },
): Promise<Metadata> {
  return await (ids && topics !== "all" ? withIds(connection, topics) : withoutIds(connection, topics));
}

async function withIds(connection: Connection, topics: readonly string[]): Promise<Metadata> {
  const body = new WireWriter();
  body.tags();
  body.compactArray(topics, (topic) => {
    body.uuid(NO_ID);
    body.compactString(topic);
    body.tags();
  });
  body.int8(0);
  body.int8(0);
  body.tags();
  const { reader } = await connection.send(METADATA, body);
  reader.skipTags();
  reader.int32(); // throttle time
  const brokers = reader.compactArray(() => {
    const broker = readBroker(reader, () => reader.compactString());
    reader.skipTags();
    return broker;
  });
  reader.compactString(); // cluster id
  const controller = reader.int32();
  const found = reader.compactArray(() => {
    const error = reader.int16();
    const name = reader.compactString() ?? "";
    const id = reader.uuid();
    reader.int8(); // internal
    const partitions = reader.compactArray(() => {
      const partition = readPartition(reader);
      for (let i = 0; i < 3; i++) reader.compactArray(() => reader.int32());
      reader.skipTags();
      return partition;
    });
    reader.int32(); // authorized operations
    reader.skipTags();
    return [name, { error, ...(id === NO_ID ? {} : { id }), partitions: inOrder(partitions) }] as const;
  });
  return { brokers: new Map(brokers), topics: new Map(found), controller };
}

async function withoutIds(connection: Connection, topics: readonly string[] | "all"): Promise<Metadata> {
  const body = new WireWriter();
  if (topics === "all") body.int32(-1);
  else body.array(topics, (topic) => body.string(topic));
  body.int8(0);
  body.int8(0);
  body.int8(0);
  const { reader } = await connection.send(OLD_METADATA, body);
  reader.int32(); // throttle time
  const brokers = reader.array(() => readBroker(reader, () => reader.string()));
  reader.string(); // cluster id
  const controller = reader.int32();
  const found = reader.array(() => {
    const error = reader.int16();
    const name = reader.string() ?? "";
    reader.int8(); // internal
    const partitions = reader.array(() => {
      const partition = readPartition(reader);
      for (let i = 0; i < 3; i++) reader.array(() => reader.int32());
      return partition;
    });
    reader.int32(); // authorized operations
    return [name, { error, partitions: inOrder(partitions) }] as const;
  });
  return { brokers: new Map(brokers), topics: new Map(found), controller };
}

const NO_ID = "0".repeat(32);

function readBroker(reader: WireReader, string: () => string | null): [number, string] {
  const id = reader.int32();
  const address = `${string() ?? ""}:${reader.int32()}`;
  string(); // rack
  return [id, address];
}

interface FoundPartition {
  readonly index: number;
  readonly leader: number;
  readonly leaderEpoch: number;
}

/** Up to the lists of replicas, of those in sync and of those offline. */
function readPartition(reader: WireReader): FoundPartition {
  reader.int16();
  return { index: reader.int32(), leader: reader.int32(), leaderEpoch: reader.int32() };
}

const inOrder = (partitions: readonly FoundPartition[]): FoundPartition[] =>
  partitions.toSorted((a, b) => a.index - b.index);
