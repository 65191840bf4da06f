import { messageOf, WeirError } from "../../../errors.ts";
import type { OutRecord, SinkContext, SinkWriter } from "../connector.ts";
import type { KafkaRecord } from "./batch-writer.ts";
import { bytesOfValue } from "./bytes-as-json.ts";
import type { KafkaSinkConfig } from "./config.ts";
import { cutField } from "./cut-field.ts";
import { encodeHeaders } from "./headers.ts";

/** The sink's own field of a record: what it says of the record, which is no part of its value. */
type Metadata = Readonly<Record<string, unknown>>;
type Headers = ReadonlyMap<string, Buffer | null>;

const SHOWN = 200;
/** A word about each of the first, and then about every so many. */
const SPOKEN = 10;
const EVERY = 1_000;

/** A writer whose records have headers, and whose `metadata` field says what else of a record is not its value. */
export function withMetadata(writer: SinkWriter, config: KafkaSinkConfig, ctx: SinkContext): SinkWriter {
  const { metadata: field, topic } = config;
  const fixed: Headers = new Map(Object.entries(config.headers ?? {}).map(([name, text]) => [name, Buffer.from(text)]));
  const fixedBytes = fixed.size === 0 ? undefined : encodeHeaders(fixed);
  let refused = 0;

  const described = (record: OutRecord): KafkaRecord => {
    const plain: KafkaRecord = { ...record, headers: fixedBytes };
    if (field === undefined || record.end < record.start) return plain;
    const cut = cutField(record.value, record, field);
    return cut === undefined ? plain : { ...plain, ...cut, ...own(cut.field, record) };
  };
  const own = (value: unknown, record: OutRecord): Partial<KafkaRecord> => {
    if (value === null) return {};
    if (typeof value !== "object" || Array.isArray(value)) throw new TypeError(`${field} must be an object`);
    const metadata = value as Metadata;
    return {
      ...headersOf(metadata, fixed, fixedBytes),
      ...timeOf(metadata, record),
      ...(record.keyEnd < 0 ? keyOf(metadata) : {}),
      ...(isTombstone(metadata) ? { start: 0, end: -1 } : {}),
    };
  };
  const refuse = (record: OutRecord, error: unknown): void => {
    const shown = record.value.toString("utf8", record.start, Math.min(record.end, record.start + SHOWN));
    const message = `topic "${topic}" does not get a record: ${messageOf(error)}. The record: ${shown}`;
    if (ctx.onError !== "Skip") {
      const fix = `Correct the field "${field}" with map, or set onError: Skip on the sink`;
      throw new WeirError("SINK_REFUSED", `Kafka: ${message}. ${fix}`, { cause: error });
    }
    refused++;
    if (refused <= SPOKEN || refused % EVERY === 0) ctx.warn?.(`skipped: ${message}`);
  };
  return {
    ...writer,
    append: (record) => {
      let out: KafkaRecord;
      try {
        out = described(record);
      } catch (error) {
        refuse(record, error);
        return;
      }
      writer.append(out);
    },
    counters: () => ({ ...writer.counters(), refused }),
  };
}

function headersOf({ headers }: Metadata, fixed: Headers, none: Buffer | undefined): Pick<KafkaRecord, "headers"> {
  if (headers === undefined || headers === null) return { headers: none };
  if (typeof headers !== "object" || Array.isArray(headers)) throw new TypeError("headers must be an object");
  const all = new Map(fixed);
  for (const [name, value] of Object.entries(headers)) all.set(name, bytesOfValue(value));
  return { headers: all.size === 0 ? undefined : encodeHeaders(all) };
}

function timeOf({ timestamp }: Metadata, { ts }: OutRecord): Pick<OutRecord, "ts"> {
  if (timestamp === undefined || timestamp === null) return { ts };
  if (Number.isSafeInteger(timestamp)) return { ts: timestamp as number };
  throw new TypeError("timestamp must be a number of milliseconds");
}

function keyOf({ key }: Metadata): Pick<OutRecord, "key" | "keyStart" | "keyEnd"> {
  const bytes = key === undefined ? null : bytesOfValue(key);
  return { key: bytes ?? undefined, keyStart: 0, keyEnd: bytes?.length ?? -1 };
}

function isTombstone({ tombstone }: Metadata): boolean {
  if (tombstone === undefined || tombstone === null || typeof tombstone === "boolean") return tombstone === true;
  throw new TypeError("tombstone must be true or false");
}
