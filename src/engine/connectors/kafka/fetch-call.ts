import type { Call, Connection } from "./connection.ts";
import type { Frame } from "./frames.ts";
import { WireWriter } from "./wire.ts";

/** Fetch, version 11: the last one with topic names and the classic encoding. */
const FETCH: Call = { key: 1, version: 11 };

export interface FetchPartition {
  readonly topic: string;
  readonly partition: number;
  readonly leaderEpoch: number;
  readonly offset: number;
}

export interface FetchSettings {
  /** The broker answers when there is something, at the latest after so long. */
  readonly maxWaitMs: number;
  /** Both are exceeded by a first batch that is larger: progress is always possible. */
  readonly maxBytes: number;
  readonly maxBytesPerPartition: number;
  readonly committedOnly: boolean;
}

export interface FetchedPartition {
  readonly topic: string;
  readonly partition: number;
  readonly error: number;
  /** End of what this reader may see: the high watermark, or the last stable offset of committed reading. */
  readonly readableEnd: number;
  readonly aborted: readonly { readonly producerId: bigint; readonly firstOffset: number }[];
  /** Where the record batches lie in the frame. */
  readonly from: number;
  readonly to: number;
}

export interface FetchResponse {
  readonly frame: Frame;
  readonly error: number;
  readonly partitions: readonly FetchedPartition[];
}

export async function fetchRecords(
  connection: Connection,
  partitions: readonly FetchPartition[],
  settings: FetchSettings,
): Promise<FetchResponse> {
  const frame = await connection.send(FETCH, requestBody(partitions, settings));
  return decode(frame, settings.committedOnly);
}

function requestBody(partitions: readonly FetchPartition[], settings: FetchSettings): WireWriter {
  const body = new WireWriter();
  body.int32(-1); // not a replica
  body.int32(settings.maxWaitMs);
  body.int32(1);
  body.int32(settings.maxBytes);
  body.int8(settings.committedOnly ? 1 : 0);
  body.int32(0); // no fetch session: every request names its partitions
  body.int32(-1);
  // In the order given, because the broker fills the answer in that order; a topic may come several times.
  body.array(runsOf(partitions), ([topic, list]) => {
    body.string(topic);
    body.array(list, (p) => {
      body.int32(p.partition);
      body.int32(p.leaderEpoch);
      body.int64(p.offset);
      body.int64(-1);
      body.int32(settings.maxBytesPerPartition);
    });
  });
  body.int32(0);
  body.string("");
  return body;
}

function runsOf(partitions: readonly FetchPartition[]): [string, FetchPartition[]][] {
  const runs: [string, FetchPartition[]][] = [];
  for (const p of partitions) {
    const last = runs.at(-1);
    if (last?.[0] === p.topic) last[1].push(p);
    else runs.push([p.topic, [p]]);
  }
  return runs;
}

function decode(frame: Frame, committedOnly: boolean): FetchResponse {
  const { reader } = frame;
  reader.int32();
  const error = reader.int16();
  reader.int32();
  const partitions = reader.array(() => {
    const topic = reader.string() ?? "";
    return reader.array((): FetchedPartition => {
      const partition = reader.int32();
      const code = reader.int16();
      const highWatermark = reader.int64();
      const lastStable = reader.int64();
      reader.int64(); // log start
      const aborted = reader.array(() => ({ producerId: reader.bigint64(), firstOffset: reader.int64() }));
      reader.int32(); // preferred replica
      const size = Math.max(0, reader.int32());
      const from = reader.at;
      reader.at += size;
      const readableEnd = committedOnly && lastStable >= 0 ? lastStable : highWatermark;
      return { topic, partition, error: code, readableEnd, aborted, from, to: from + size };
    });
  });
  return { frame, error, partitions: partitions.flat() };
}
