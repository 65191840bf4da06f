import type { Call, Connection } from "./connection.ts";
import { ErrorCode } from "./error-codes.ts";
import { WireWriter } from "./wire.ts";
import type { WireReader } from "./wire.ts";

/** The control calls: everything but Fetch and Produce. Each asks and decodes once; retrying is the caller's part. */
const LIST_OFFSETS: Call = { key: 2, version: 5 };
const FIND_COORDINATOR: Call = { key: 10, version: 2 };
const OFFSET_COMMIT: Call = { key: 8, version: 7 };
const INIT_PRODUCER_ID: Call = { key: 22, version: 1 };

/** A time in ms, or one of these. */
export const LATEST = -1;
export const EARLIEST = -2;

export interface PartitionOffset {
  readonly topic: string;
  readonly partition: number;
  readonly error: number;
  /** −1: no record at or after the time. */
  readonly offset: number;
}

export async function listOffsets(
  connection: Connection,
  partitions: readonly { readonly topic: string; readonly partition: number; readonly at: number }[],
  committedOnly: boolean,
): Promise<PartitionOffset[]> {
  const body = new WireWriter();
  body.int32(-1);
  body.int8(committedOnly ? 1 : 0);
  body.array([...Map.groupBy(partitions, (p) => p.topic)], ([topic, list]) => {
    body.string(topic);
    body.array(list, (p) => {
      body.int32(p.partition);
      body.int32(-1); // any leader epoch
      body.int64(p.at);
    });
  });
  const { reader } = await connection.send(LIST_OFFSETS, body);
  reader.int32();
  return reader
    .array(() => {
      const topic = reader.string() ?? "";
      return reader.array(() => {
        const partition = reader.int32();
        const error = reader.int16();
        reader.int64(); // timestamp
        const offset = reader.int64();
        reader.int32(); // leader epoch
        return { topic, partition, error, offset };
      });
    })
    .flat();
}

/** The broker that keeps a group's offsets, or a transactional id's transactions. */
export async function findCoordinator(
  connection: Connection,
  key: string,
  of: "group" | "transaction" = "group",
): Promise<{ error: number; address: string }> {
  const body = new WireWriter();
  body.string(key);
  body.int8(of === "group" ? 0 : 1);
  const { reader } = await connection.send(FIND_COORDINATOR, body);
  reader.int32();
  const error = reader.int16();
  reader.string();
  reader.int32();
  return { error, address: `${reader.string() ?? ""}:${reader.int32()}` };
}

/** The errors of an answer that has a code for each partition of each topic. */
export function partitionErrors(reader: WireReader): number[] {
  const codes = reader.array(() => {
    reader.string();
    return reader.array(() => {
      reader.int32();
      return reader.int16();
    });
  });
  return codes.flat().filter((code) => code !== ErrorCode.None);
}

/** Commits without being a member of the group: only to show progress. Returns the first error code. */
export async function commitOffsets(
  connection: Connection,
  group: string,
  offsets: readonly { readonly topic: string; readonly partition: number; readonly offset: number }[],
): Promise<number> {
  const body = new WireWriter();
  body.string(group);
  body.int32(-1);
  body.string("");
  body.string(null);
  body.array([...Map.groupBy(offsets, (o) => o.topic)], ([topic, list]) => {
    body.string(topic);
    body.array(list, (o) => {
      body.int32(o.partition);
      body.int64(o.offset);
      body.int32(-1);
      body.string(null);
    });
  });
  const { reader } = await connection.send(OFFSET_COMMIT, body);
  reader.int32();
  return partitionErrors(reader)[0] ?? ErrorCode.None;
}

export interface ProducerIdentity {
  readonly id: bigint;
  readonly epoch: number;
  /** Its records count only with the transaction that they are in. */
  readonly transactional?: boolean;
}

/** With a transactional id: fences whoever had it, and aborts the transaction that was open under it. */
export async function initProducerId(
  connection: Connection,
  transaction?: { readonly id: string; readonly timeoutMs: number },
): Promise<{ readonly error: number; readonly producer: ProducerIdentity }> {
  const body = new WireWriter();
  body.string(transaction?.id ?? null);
  body.int32(transaction?.timeoutMs ?? 0x7fff_ffff);
  const { reader } = await connection.send(INIT_PRODUCER_ID, body);
  reader.int32();
  const error = reader.int16();
  const id = reader.bigint64();
  const producer = { id, epoch: reader.int16() };
  return { error, producer: transaction === undefined ? producer : { ...producer, transactional: true } };
}
