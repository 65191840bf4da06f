import type { Batch } from "../../src/engine/batch.ts";
import type { SourceReader } from "../../src/engine/connectors/connector.ts";

/** A record of a batch as an object, for comparing. */
export interface ReadRecord {
  readonly split: number;
  readonly place: string;
  readonly key: string | null;
  readonly value: string | null;
  readonly timestamp: number;
}

/** Polls the way the runtime does until `enough` says so; `each` sees every batch before it becomes invalid. */
export function readUntil(
  reader: SourceReader,
  enough: (records: readonly ReadRecord[]) => boolean,
  each: (batch: Batch) => void = () => undefined,
): Promise<ReadRecord[]> {
  const records: ReadRecord[] = [];
  return new Promise((resolve, reject) => {
    let scheduled: NodeJS.Immediate | undefined;
    /** What comes later is for whoever reads next. */
    let done = false;
    const pump = (): void => {
      scheduled = undefined;
      try {
        const batch = reader.poll();
        if (batch !== undefined) {
          each(batch);
          for (let i = 0; i < batch.n; i++) records.push(recordOf(batch, i));
        }
        if (enough(records)) {
          done = true;
          resolve(records);
        } else if (batch !== undefined) wake();
      } catch (error) {
        reject(error as Error);
      }
    };
    const wake = (): void => {
      if (!done) scheduled ??= setImmediate(pump);
    };
    reader.onReady(wake);
    wake();
  });
}

export function recordOf(batch: Batch, i: number): ReadRecord {
  const text = (buf: Buffer, start = 0, length = -1): string | null =>
    length < 0 ? null : buf.toString("utf8", start, start + length);
  return {
    split: batch.split,
    place: batch.describe(i),
    key: batch.key === undefined ? null : text(batch.key.buf, batch.key.off[i], batch.key.len[i]),
    value: text(batch.buf, batch.off[i], batch.len[i]),
    timestamp: batch.ts[i] ?? 0,
  };
}
