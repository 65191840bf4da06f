import { messageOf } from "../../../errors.ts";
import type { OutRecord, RecordHeader, SinkContext, SinkWriter } from "../connector.ts";
import { leftOut, SHOWN } from "../left-out.ts";
import { bytesOfValue } from "./bytes-as-json.ts";
import { cutField } from "./cut-field.ts";

/** A field of a record that says what of it is not its value. */
type Metadata = Readonly<Record<string, unknown>>;

/** A writer of records whose `field` is no part of their value, but their key, headers and timestamp. */
export function withMetadata(
  writer: SinkWriter,
  { topic, field }: { readonly topic: string; readonly field: string },
  ctx: SinkContext,
): SinkWriter {
  const refused = leftOut(ctx);

  const described = (record: OutRecord): OutRecord => {
    const cut = record.end < record.start ? undefined : cutField(record.value, record, field);
    if (cut === undefined) return record;
    const { field: found, ...value } = cut;
    if (found === null) return { ...record, ...value };
    if (typeof found !== "object" || Array.isArray(found)) throw new TypeError(`${field} must be an object`);
    const metadata = found as Metadata;
    return {
      ...record,
      ...value,
      ...(record.keyEnd < 0 ? keyOf(metadata) : {}),
      ...(isTombstone(metadata) ? { start: 0, end: -1 } : {}),
      headers: besides(headersOf(metadata), record.headers ?? []),
      ts: timeOf(metadata) ?? record.ts,
    };
  };
  const refuse = (record: OutRecord, error: unknown): void => {
    const shown = record.value.toString("utf8", record.start, Math.min(record.end, record.start + SHOWN));
    const message = `topic "${topic}" does not get a record: ${messageOf(error)}. The record: ${shown}`;
    refused.take(message, { fix: `Correct the field "${field}" with map`, cause: error, system: "Kafka" });
  };
  return {
    ...writer,
    append: (record) => {
      let out: OutRecord;
      try {
        out = described(record);
      } catch (error) {
        refuse(record, error);
        return;
      }
      writer.append(out);
    },
    counters: () => ({ ...writer.counters(), refused: refused.count }),
  };
}

function headersOf({ headers }: Metadata): readonly RecordHeader[] {
  if (headers === undefined || headers === null) return [];
  if (typeof headers !== "object" || Array.isArray(headers)) throw new TypeError("headers must be an object");
  return Object.entries(headers);
}

/** The sink's own headers, behind those of other names. */
function besides(others: readonly RecordHeader[], own: readonly RecordHeader[]): readonly RecordHeader[] {
  if (own.length === 0) return others;
  const names = new Set(own.map(([name]) => name));
  return [...others.filter(([name]) => !names.has(name)), ...own];
}

function timeOf({ timestamp }: Metadata): number | undefined {
  if (timestamp === undefined || timestamp === null) return undefined;
  if (Number.isSafeInteger(timestamp)) return timestamp as number;
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
