import type { SinkFactory } from "../connector.ts";

/** Takes every record and keeps none: for measurements. */
export const blackholeSink: SinkFactory = {
  open: () => {
    const total = { records: 0, bytes: 0 };
    return Promise.resolve({
      append: (record) => {
        total.records++;
        total.bytes += record.end - record.start;
      },
      saturated: () => false,
      onDrain: () => {},
      flush: () => Promise.resolve(),
      counters: () => ({ ...total }),
      close: () => Promise.resolve(),
    });
  },
};
