import type { Call, Connection } from "./connection.ts";
import { WireWriter } from "./wire.ts";

/** Produce, version 8: the last one with the classic encoding; it names the records that were refused. */
const PRODUCE: Call = { key: 0, version: 8 };
const ALL_REPLICAS = -1;

export interface ProducePartition {
  readonly partition: number;
  /** Exactly one sealed record batch. */
  readonly batch: Buffer;
}

export interface ProducedPartition {
  readonly partition: number;
  readonly error: number;
  readonly message: string | null;
}

export interface ProduceTo {
  readonly topic: string;
  /** The transaction that the batches belong to; null outside of transactions. */
  readonly transactionalId: string | null;
  readonly timeoutMs: number;
}

export async function produceBatches(
  connection: Connection,
  { topic, transactionalId, timeoutMs }: ProduceTo,
  partitions: readonly ProducePartition[],
): Promise<ProducedPartition[]> {
  const head = new WireWriter();
  head.string(transactionalId);
  head.int16(ALL_REPLICAS);
  head.int32(timeoutMs);
  head.int32(1);
  head.string(topic);
  head.int32(partitions.length);
  const parts = partitions.flatMap(({ partition, batch }) => {
    const prefix = Buffer.allocUnsafe(8);
    prefix.writeInt32BE(partition, 0);
    prefix.writeInt32BE(batch.length, 4);
    return [prefix, batch];
  });
  const { reader } = await connection.send(PRODUCE, head, parts);
  return reader
    .array(() => {
      reader.string();
      return reader.array(() => {
        const partition = reader.int32();
        const error = reader.int16();
        reader.int64(); // base offset
        reader.int64(); // append time
        reader.int64(); // log start
        const refused = reader.array(() => {
          reader.int32();
          return reader.string();
        });
        const message = reader.string();
        return { partition, error, message: message ?? refused.find((text) => text !== null) ?? null };
      });
    })
    .flat();
}
