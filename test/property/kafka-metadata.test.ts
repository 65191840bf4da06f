import { isDeepStrictEqual } from "node:util";
import { expect, it } from "vitest";
import type { Batch } from "../../src/engine/batch.ts";
import { BatchWriter } from "../../src/engine/connectors/kafka/batch-writer.ts";
import type { KafkaRecord } from "../../src/engine/connectors/kafka/batch-writer.ts";
import { bytesOfValue } from "../../src/engine/connectors/kafka/bytes-as-json.ts";
import { cutField } from "../../src/engine/connectors/kafka/cut-field.ts";
import { encodeHeaders, readHeaders, withHeaderBytes } from "../../src/engine/connectors/kafka/headers.ts";
import { startPartition } from "../../src/engine/connectors/kafka/partition.ts";
import { metadataReader } from "../../src/engine/connectors/kafka/read-metadata.ts";
import { BATCH_HEADER, readBatchHeader, recordColumns } from "../../src/engine/connectors/kafka/record-batch.ts";
import { decodeRecords, recordCursor } from "../../src/engine/connectors/kafka/record-batch.ts";
import { outRecord } from "../builders/connector-context.ts";
import { hostileDocument } from "../builders/hostile-json.ts";
import { random } from "../builders/random.ts";
import type { Random } from "../builders/random.ts";

const BATCHES = process.env["WEIR_LONG"] === "1" ? 5_000 : 150;
const RECORDS = 100;
/** One that documents have themselves, too. */
const FIELD = "a";

type Header = readonly [name: string, value: Buffer | null];

interface Sent {
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly ts: number;
  readonly headers: readonly Header[];
}

it("adds metadata to any bytes so that they are the JSON that they were, and gives the bytes back", () => {
  const r = random(20260301);
  let objects = 0;
  let unchanged = 0;
  for (let n = 0; n < BATCHES; n++) {
    const sent = Array.from({ length: RECORDS }, () => sentRecord(r));
    const batch = received(sent);
    const adds = sent.map((record, i) => added(record, batch, i));
    objects += adds.filter((told) => told === "object").length;
    unchanged += adds.filter((told, i) => told !== "no object" && givesBack(sent[i] as Sent, batch, i)).length;
  }
  console.log(`metadata: ${BATCHES * RECORDS} documents, ${objects} objects, ${unchanged} came back byte by byte`);
  expect(objects).toBeGreaterThan(BATCHES * RECORDS * 0.4);
  expect(unchanged).toBeGreaterThan(objects * 0.6);
});

/** Whether it has got the metadata, as every object must, and may what begins and ends like one. */
function added(record: Sent, batch: Batch, i: number): "object" | "broken object" | "no object" {
  const start = batch.off[i] as number;
  const got = batch.buf.subarray(start, start + (batch.len[i] as number));
  const before = record.value === null ? {} : parsed(record.value);
  const wanted = isObject(before) ? { ...before, [FIELD]: metadataOf(record, i) } : before;
  const shown = { value: record.value?.toString(), got: got.toString() };
  expect({ ...shown, same: isDeepStrictEqual(parsed(got), wanted) }).toEqual({ ...shown, same: true });
  if (isObject(before)) return "object";
  return before === NOT_JSON && record.value?.equals(got) === false ? "broken object" : "no object";
}

const bytes = (r: Random): Buffer =>
  r.chance(0.7) ? Buffer.from(r.pick(["", "k-1", "é€", '"\\'])) : Buffer.from([r.below(256), r.below(256)]);

function sentRecord(r: Random): Sent {
  const names = r.chance(0.5) ? ["trace", "é", "", "trace", "é"] : [];
  const headers = names.filter(() => r.chance(0.6)).map((name): Header => [name, r.chance(0.2) ? null : bytes(r)]);
  const value = r.chance(0.1) ? null : hostileDocument(r);
  return { key: r.chance(0.3) ? null : bytes(r), value, ts: 1_700_000_000_000 + r.below(1e6), headers };
}

/** The records as a source hands them out that read them from a batch. */
function received(sent: readonly Sent[]): Batch {
  const writer = new BatchWriter(Buffer.alloc(1 << 20));
  for (const { key, value, ts, headers } of sent) {
    const record: KafkaRecord = {
      value: value ?? Buffer.alloc(0),
      start: 0,
      end: value?.length ?? -1,
      key: key ?? undefined,
      keyStart: 0,
      keyEnd: key?.length ?? -1,
      ts,
      headerBytes: headers.length === 0 ? undefined : encodeHeaders(headers),
    };
    writer.append(record);
  }
  const { bytes: buf } = writer.seal();
  const header = readBatchHeader(buf, 0, buf.length);
  if (header === undefined) throw new Error("the batch is not whole");
  const columns = recordColumns(sent.length);
  const limits = { fromOffset: 0, maxRecords: sent.length, maxBytes: Infinity };
  const n = decodeRecords(recordCursor(header, buf, BATCH_HEADER, header.end), columns, 0, limits);
  const batch: Batch = { ...columns, split: 0, n, buf, key: undefined, describe: String };
  const split = { id: "t-3", index: 0 };
  const from = startPartition({ split, topic: "t", number: 3, siblings: 4, topicId: undefined, offset: 0 });
  metadataReader(FIELD, columns).addTo(batch, from);
  return batch;
}

function metadataOf({ key, value, ts, headers }: Sent, offset: number): object {
  const named = [...byName(headers)].map(([name, values]) => [
    name,
    values.length > 1 ? values.map(told) : told(values[0] ?? null),
  ]);
  return {
    key: told(key),
    headers: Object.fromEntries(named) as object,
    timestamp: ts,
    topic: "t",
    partition: 3,
    offset,
    tombstone: value === null,
  };
}

function byName(headers: readonly Header[]): Map<string, (Buffer | null)[]> {
  const groups = Map.groupBy(headers, ([name]) => name);
  return new Map([...groups].map(([name, group]) => [name, group.map(([, value]) => value)]));
}

function told(of: Buffer | null): unknown {
  if (of === null) return null;
  const text = of.toString();
  return Buffer.from(text).equals(of) ? text : { base64: of.toString("base64") };
}

/** What a sink with the same field writes is what was read; true where that is so to the byte. */
function givesBack(record: Sent, batch: Batch, i: number): boolean {
  const start = batch.off[i] as number;
  const cut = cutField(batch.buf, { start, end: start + (batch.len[i] as number) }, FIELD);
  if (cut === undefined) throw new Error("the field is not there");
  const { key, headers, timestamp } = cut.field as { key: unknown; headers: object; timestamp: number };
  const again = withHeaderBytes({ ...outRecord(null, "", 0), headers: Object.entries(headers) });
  expect([bytesOfValue(key), timestamp]).toEqual([record.key, record.ts]);
  const { headers: written } = again.headerBytes === undefined ? { headers: [] } : readHeaders(again.headerBytes, 0);
  expect(byName(written)).toEqual(byName(record.headers));
  const value = cut.value.subarray(cut.start, cut.end);
  if (value.equals(record.value ?? Buffer.from("{}"))) return true;
  // With a name that has escapes, which may be the field's: then JSON.parse decides, and none of that name is left.
  const { [FIELD]: _, ...rest } = parsed(record.value ?? Buffer.from("{}")) as Record<string, unknown>;
  expect(JSON.stringify(parsed(value))).toBe(JSON.stringify(rest));
  return false;
}

const NOT_JSON = Symbol("not JSON");

function parsed(document: Buffer): unknown {
  try {
    return JSON.parse(document.toString("utf8")) as unknown;
  } catch {
    return NOT_JSON;
  }
}

const isObject = (value: unknown): value is object =>
  typeof value === "object" && value !== null && !Array.isArray(value);
