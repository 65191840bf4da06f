import { partitionErrors } from "./calls.ts";
import type { ProducerIdentity } from "./calls.ts";
import type { Call, Connection } from "./connection.ts";
import { ErrorCode } from "./error-codes.ts";
import { WireWriter } from "./wire.ts";

/** The calls of a transaction (KIP-98). Each asks once and gives the error code that matters; retrying is the caller's part. */
const ADD_PARTITIONS: Call = { key: 24, version: 2 };
const ADD_OFFSETS: Call = { key: 25, version: 2 };
const END: Call = { key: 26, version: 2 };
const TXN_OFFSET_COMMIT: Call = { key: 28, version: 2 };
/** The first version that can leave out what an open transaction may still change (KIP-447). */
const OFFSET_FETCH: Call = { key: 9, version: 7 };

export interface OpenTransaction {
  readonly id: string;
  readonly producer: ProducerIdentity;
}

function begin({ id, producer }: OpenTransaction): WireWriter {
  const body = new WireWriter();
  body.string(id);
  body.int64(producer.id);
  body.int16(producer.epoch);
  return body;
}

export async function addPartitions(
  connection: Connection,
  transaction: OpenTransaction,
  { topic, partitions }: { readonly topic: string; readonly partitions: readonly number[] },
): Promise<number> {
  const body = begin(transaction);
  body.int32(1);
  body.string(topic);
  body.array(partitions, (partition) => body.int32(partition));
  const { reader } = await connection.send(ADD_PARTITIONS, body);
  reader.int32();
  const bad = partitionErrors(reader);
  return bad.find((code) => code !== ErrorCode.OperationNotAttempted) ?? bad[0] ?? ErrorCode.None;
}

export async function addOffsets(connection: Connection, transaction: OpenTransaction, group: string): Promise<number> {
  const body = begin(transaction);
  body.string(group);
  const { reader } = await connection.send(ADD_OFFSETS, body);
  reader.int32();
  return reader.int16();
}

export interface MarkedOffset {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  readonly metadata: string;
}

export async function commitOffsetIn(
  connection: Connection,
  transaction: OpenTransaction,
  { group, topic, partition, offset, metadata }: MarkedOffset & { readonly group: string },
): Promise<number> {
  const body = new WireWriter();
  body.string(transaction.id);
  body.string(group);
  body.int64(transaction.producer.id);
  body.int16(transaction.producer.epoch);
  body.int32(1);
  body.string(topic);
  body.int32(1);
  body.int32(partition);
  body.int64(offset);
  body.int32(-1); // any leader epoch
  body.string(metadata);
  const { reader } = await connection.send(TXN_OFFSET_COMMIT, body);
  reader.int32();
  return partitionErrors(reader)[0] ?? ErrorCode.None;
}

export async function endTransaction(
  connection: Connection,
  transaction: OpenTransaction,
  how: "commit" | "abort",
): Promise<number> {
  const body = begin(transaction);
  body.int8(how === "commit" ? 1 : 0);
  const { reader } = await connection.send(END, body);
  reader.int32();
  return reader.int16();
}

/** All offsets of a group; an open transaction that would change one is an error where only what is stable is wanted. */
export async function groupOffsets(
  connection: Connection,
  group: string,
  { stable }: { readonly stable: boolean },
): Promise<{ readonly error: number; readonly offsets: readonly MarkedOffset[] }> {
  const body = new WireWriter();
  body.uvarint(0); // tags of the header
  body.compactString(group);
  body.uvarint(0); // all topics
  body.int8(stable ? 1 : 0);
  body.uvarint(0);
  const { reader } = await connection.send(OFFSET_FETCH, body);
  reader.skipTags();
  reader.int32();
  const found = reader.compactArray(() => {
    const topic = reader.compactString() ?? "";
    const partitions = reader.compactArray(() => {
      const partition = reader.int32();
      const offset = reader.int64();
      reader.int32(); // leader epoch
      const metadata = reader.compactString() ?? "";
      const error = reader.int16();
      reader.skipTags();
      return { topic, partition, offset, metadata, error };
    });
    reader.skipTags();
    return partitions;
  });
  const offsets = found.flat();
  const error = reader.int16();
  return { error: error || (offsets.find((o) => o.error !== ErrorCode.None)?.error ?? ErrorCode.None), offsets };
}
