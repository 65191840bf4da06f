import { messageOf } from "../../errors.ts";
import type { OutRecord, SinkWriter } from "./connector.ts";
import { lineBuffer } from "./line-buffer.ts";

/** Above this much unwritten output the sink asks the sources to wait. */
const SATURATED_BYTES = 4 * 1024 * 1024;
const WRITE_BYTES = 256 * 1024;

/** Where lines go: one write at a time, `sync` makes what was written durable. */
export interface LineTarget {
  write(bytes: Buffer): Promise<void>;
  sync(): Promise<void>;
  close(): Promise<void>;
}

/** An at-least-once sink over a byte stream: collects lines, writes them in the background, one write at a time. */
export function lineWriter(target: LineTarget): SinkWriter {
  const lines = lineBuffer();
  const total = { records: 0, bytes: 0 };
  let wake = (): void => {};
  let writing: Promise<void> = Promise.resolve();
  let pending = 0;
  let failure: Error | undefined;

  const write = (): void => {
    if (lines.size === 0) return;
    const bytes = lines.take();
    pending += bytes.length;
    writing = writing.then(async () => {
      if (failure !== undefined) return;
      try {
        await target.write(bytes);
      } catch (e) {
        failure = e instanceof Error ? e : new Error(messageOf(e));
      }
      pending -= bytes.length;
      wake();
    });
  };

  return {
    append: (record: OutRecord) => {
      total.records++;
      total.bytes += Math.max(0, record.end - record.start);
      lines.append(record);
      if (lines.size >= WRITE_BYTES) write();
    },
    saturated: () => pending + lines.size > SATURATED_BYTES,
    onDrain: (fn) => {
      wake = fn;
    },
    flush: async () => {
      write();
      await writing;
      if (failure !== undefined) throw failure;
      await target.sync();
    },
    counters: () => ({ ...total }),
    close: async () => {
      await writing;
      await target.close();
    },
  };
}
