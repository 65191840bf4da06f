import { nexmarkEvent, type NexmarkShape } from "../nexmark/generator.ts";
import type { Input } from "./input.ts";

/** Far behind every event. */
const SENTINEL_TS = 4_000_000_000_000;

export const nexmarkShape: NexmarkShape = { rate: 10_000 };

/** Nexmark's events as JSON, told apart by `kind`, dealt to the partitions by their number. */
export const nexmarkEvents: Input = {
  topic: "nexmark",
  record: (n) => {
    const event = nexmarkEvent(n, nexmarkShape);
    return { key: String(n), value: JSON.stringify(event), ts: event.dateTime };
  },
  sentinel: (key) => ({ key: `end ${key}`, value: `{"kind":"end","dateTime":${SENTINEL_TS}}`, ts: SENTINEL_TS }),
};
