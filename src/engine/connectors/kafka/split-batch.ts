import { BatchWriter, type Compression, type KafkaRecord, type SealedBatch } from "./batch-writer.ts";
import { decompress } from "./compression.ts";
import { readHeaders } from "./headers.ts";
import { BATCH_HEADER, decodeRecords, readBatchHeader, recordColumns, recordCursor } from "./record-batch.ts";

/** Cuts a sealed batch into two of half its records: what to do when a broker finds it too large. */
export function splitBatch(batch: SealedBatch, compression: Compression): SealedBatch[] {
  const header = readBatchHeader(batch.bytes, 0, batch.bytes.length);
  if (header === undefined) throw new Error("a sealed batch is not whole");
  const plain = decompress(header.compression, batch.bytes.subarray(BATCH_HEADER));
  const columns = recordColumns(batch.records);
  decodeRecords(recordCursor(header, plain, 0, plain.length), columns, 0, {
    fromOffset: 0,
    maxRecords: batch.records,
    maxBytes: Infinity,
  });
  const half = Math.ceil(batch.records / 2);
  const write = (from: number, to: number): SealedBatch => {
    const writer = new BatchWriter(Buffer.allocUnsafeSlow(plain.length + BATCH_HEADER + 64));
    for (let i = from; i < to; i++) {
      const start = columns.off[i] as number;
      const behind = start + Math.max(0, columns.len[i] as number);
      const keyStart = columns.keyOff[i] as number;
      const keyLength = columns.keyLen[i] as number;
      const record: KafkaRecord = {
        value: plain,
        start,
        end: start + (columns.len[i] as number),
        key: keyLength < 0 ? undefined : plain,
        keyStart,
        keyEnd: keyLength < 0 ? -1 : keyStart + keyLength,
        ts: columns.ts[i] as number,
        headerBytes: plain[behind] === 0 ? undefined : plain.subarray(behind, readHeaders(plain, behind).end),
      };
      writer.append(record);
    }
    return writer.seal(compression);
  };
  return [write(0, half), write(half, batch.records)];
}
