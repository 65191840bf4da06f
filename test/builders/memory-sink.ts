import type { OutRecord, SinkWriter } from "../../src/engine/connectors/connector.ts";

export interface Written {
  readonly value: string;
  readonly key: string | null;
  readonly ts: number;
  /** It has no value, which is not an empty one. */
  readonly tombstone?: true;
  /** As JSON. */
  readonly headers?: string;
}

/** A sink that keeps what it is given, as text; with `rows` it takes records as objects, too. */
export function memorySink({ rows = false }: { rows?: boolean } = {}): {
  readonly writer: SinkWriter;
  readonly written: Written[];
} {
  const written: Written[] = [];
  const append = ({ value, start, end, key, keyStart, keyEnd, ts, row, headers }: OutRecord): void => {
    const keyText = key === undefined || keyEnd < 0 ? null : key.toString("utf8", keyStart, keyEnd);
    const text = rows && row !== undefined ? JSON.stringify(row) : value.toString("utf8", start, end);
    written.push({
      value: text,
      key: keyText,
      ts,
      ...(row === undefined && end < start ? { tombstone: true } : {}),
      ...(headers === undefined ? {} : { headers: JSON.stringify(headers) }),
    });
  };
  const writer: SinkWriter = {
    rows,
    append,
    saturated: () => false,
    onDrain: () => {},
    flush: () => Promise.resolve(),
    counters: () => ({ records: written.length, bytes: 0 }),
    close: () => Promise.resolve(),
  };
  return { writer, written };
}
