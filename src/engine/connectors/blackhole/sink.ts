import type { SinkFactory } from "../connector.ts";

/** Takes every record and keeps none: for measurements. */
export const blackholeSink: SinkFactory = {
  open: () => {
    const total = { records: 0, bytes: 0 };
    return Promise.resolve({
      rows: true,
      append: (record) => {
        total.records++;
        if (record.row === undefined) total.bytes += Math.max(0, record.end - record.start);
      },
      saturated: () => false,
      onDrain: () => {},
      flush: () => Promise.resolve(),
      counters: () => ({ ...total }),
      close: () => Promise.resolve(),
    });
  },
};
