import type { Call, Connection } from "./connection.ts";
import { WireWriter } from "./wire.ts";

/** The calls that make and empty Weir's own topics. Each asks once and gives the error codes; retrying is the caller's part. */
const CREATE_TOPICS: Call = { key: 19, version: 4 };
const DELETE_TOPICS: Call = { key: 20, version: 3 };
const DELETE_RECORDS: Call = { key: 21, version: 1 };
/** A broker that takes longer goes on by itself. */
const TIMEOUT_MS = 15_000;

export interface NewTopic {
  readonly topic: string;
  readonly partitions: number;
  readonly settings: Readonly<Record<string, string>>;
}

/** With as many replicas as the brokers' default. */
export async function createTopic(
  connection: Connection,
  { topic, partitions, settings }: NewTopic,
): Promise<{ readonly error: number; readonly message: string | null }> {
  const body = new WireWriter();
  body.int32(1);
  body.string(topic);
  body.int32(partitions);
  body.int16(-1);
  body.int32(0); // no assignment by hand
  body.array(Object.entries(settings), ([name, value]) => {
    body.string(name);
    body.string(value);
  });
  body.int32(TIMEOUT_MS);
  body.int8(0);
  const { reader } = await connection.send(CREATE_TOPICS, body);
  reader.int32();
  const [answer] = reader.array(() => {
    reader.string();
    return { error: reader.int16(), message: reader.string() };
  });
  return answer ?? { error: 0, message: null };
}

/** The error code of each topic, by its name. */
export async function deleteTopics(
  connection: Connection,
  topics: readonly string[],
): Promise<ReadonlyMap<string, number>> {
  const body = new WireWriter();
  body.array(topics, (topic) => body.string(topic));
  body.int32(TIMEOUT_MS);
  const { reader } = await connection.send(DELETE_TOPICS, body);
  reader.int32();
  return new Map(reader.array(() => [reader.string() ?? "", reader.int16()] as const));
}

/** Deletes what lies before the offsets, in partitions that this broker leads; gives the error codes there were. */
export async function deleteRecords(
  connection: Connection,
  topic: string,
  partitions: readonly { readonly partition: number; readonly offset: number }[],
): Promise<readonly number[]> {
  const body = new WireWriter();
  body.int32(1);
  body.string(topic);
  body.array(partitions, ({ partition, offset }) => {
    body.int32(partition);
    body.int64(offset);
  });
  body.int32(TIMEOUT_MS);
  const { reader } = await connection.send(DELETE_RECORDS, body);
  reader.int32();
  const codes = reader.array(() => {
    reader.string();
    return reader.array(() => {
      reader.int32();
      reader.int64(); // where it begins now
      return reader.int16();
    });
  });
  return codes.flat().filter((code) => code !== 0);
}
