import type { Batch } from "../../batch.ts";
import { jsonOfBytes } from "./bytes-as-json.ts";
import { readHeaders } from "./headers.ts";
import type { Partition } from "./partition.ts";
import type { RecordColumns } from "./record-batch.ts";

/**
 * Adds what Kafka knows of each record to its value, as one more field at its end: `{"id":1}` becomes
 * `{"id":1,"kafka":{"key":…}}`. Done on the bytes, before the chain: a record that was no JSON object is as little one
 * afterwards, and all that reads fields reads this one like any other. Of two fields of one name the last counts, in
 * JSON.parse and here.
 */
export interface MetadataReader {
  /** The batch's values move into a buffer of its own, which is used again for the next one. */
  addTo(batch: Batch, from: Partition): void;
}

const OPENING = 123;
const CLOSING = 125;

export function metadataReader(field: string, columns: RecordColumns): MetadataReader {
  const name = `${JSON.stringify(field)}:`;
  let out = Buffer.allocUnsafe(0);
  let at = 0;
  const take = (bytes: number): void => {
    if (at + bytes <= out.length) return;
    const bigger = Buffer.allocUnsafe(2 * (at + bytes));
    out.copy(bigger, 0, 0, at);
    out = bigger;
  };
  const put = (buf: Buffer, start: number, end: number): void => {
    take(end - start);
    at += buf.copy(out, at, start, end);
  };
  const write = (text: string): void => {
    take(text.length * 3);
    at += out.write(text, at);
  };
  const textOf = (buf: Buffer, i: number, place: string): string => {
    const { off, len, keyOff, keyLen, ts, offset } = columns;
    const start = off[i] as number;
    const length = len[i] as number;
    const keyStart = keyOff[i] as number;
    const keyLength = keyLen[i] as number;
    const key = jsonOfBytes(keyLength < 0 ? null : buf.subarray(keyStart, keyStart + keyLength));
    const headers = headersText(buf, start + Math.max(0, length));
    return `{"key":${key},"headers":${headers},"timestamp":${ts[i]},${place}"offset":${offset[i]},"tombstone":${length < 0}}`;
  };
  const add = (buf: Buffer, i: number, place: string): void => {
    const start = columns.off[i] as number;
    const length = columns.len[i] as number;
    const end = start + length;
    if (length < 0) {
      write(`{${name}${textOf(buf, i, place)}}`);
      return;
    }
    const opening = lookAhead(buf, start, end);
    const closing = lookBack(buf, start, end);
    if (buf[opening] !== OPENING || buf[closing] !== CLOSING || closing <= opening) {
      put(buf, start, end);
      return;
    }
    const comma = lookAhead(buf, opening + 1, end) === closing ? "" : ",";
    put(buf, start, closing);
    write(`${comma}${name}${textOf(buf, i, place)}`);
    put(buf, closing, end);
  };
  return {
    addTo: (batch, { topic, number }) => {
      const place = `"topic":${JSON.stringify(topic)},"partition":${number},`;
      at = 0;
      for (let i = 0; i < batch.n; i++) {
        const from = at;
        add(batch.buf, i, place);
        columns.off[i] = from;
        columns.len[i] = at - from;
      }
      batch.buf = out;
    },
  };
}

/** Several headers of one name are a list. */
function headersText(buf: Buffer, at: number): string {
  if (buf[at] === 0) return "{}";
  const named = new Map<string, string[]>();
  for (const [name, value] of readHeaders(buf, at).headers) {
    const text = jsonOfBytes(value);
    const others = named.get(name);
    if (others === undefined) named.set(name, [text]);
    else others.push(text);
  }
  const fields = [...named].map(
    ([name, values]) => `${JSON.stringify(name)}:${values.length === 1 ? values[0] : `[${values.join(",")}]`}`,
  );
  return `{${fields.join(",")}}`;
}

const isSpace = (c: number | undefined): boolean => c === 32 || c === 10 || c === 13 || c === 9;

function lookAhead(buf: Buffer, start: number, end: number): number {
  let at = start;
  while (at < end && isSpace(buf[at])) at++;
  return at;
}

function lookBack(buf: Buffer, start: number, end: number): number {
  let at = end - 1;
  while (at > start && isSpace(buf[at])) at--;
  return at;
}
