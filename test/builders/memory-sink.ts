import type { OutRecord, SinkWriter } from "../../src/engine/connectors/connector.ts";

export interface Written {
  readonly value: string;
  readonly key: string | null;
  readonly ts: number;
}

/** A sink that keeps what it is given, as text. */
export function memorySink(): { readonly writer: SinkWriter; readonly written: Written[] } {
  const written: Written[] = [];
  const append = ({ value, start, end, key, keyStart, keyEnd, ts }: OutRecord): void => {
    const keyText = key === undefined || keyEnd < 0 ? null : key.toString("utf8", keyStart, keyEnd);
    written.push({ value: value.toString("utf8", start, end), key: keyText, ts });
  };
  const writer: SinkWriter = {
    append,
    saturated: () => false,
    onDrain: () => {},
    flush: () => Promise.resolve(),
    counters: () => ({ records: written.length, bytes: 0 }),
    close: () => Promise.resolve(),
  };
  return { writer, written };
}
