import { z } from "zod";
import { duration } from "./duration.ts";
import { exactlyOne, rules } from "./rule.ts";
import { instant, int, list, text } from "./text.ts";

/**
 * A source that makes its own records: each a pure function of (seed, split, index), so two runs, any parallelism and
 * any restart give the same stream. Without `fields` it makes the events of the quickstart (`DEFAULT_FIELDS`).
 */
const generator = {
  /** The record's index in its split, plus `start`. */
  sequence: z.strictObject({ start: int(0, 2 ** 31 - 1).optional() }).optional(),
  /** Integer in [min, max], uniform. */
  uniform: rules(z.strictObject({ min: int(-(2 ** 31), 2 ** 31 - 1), max: int(-(2 ** 31), 2 ** 31 - 1) }), [
    {
      cel: "self.min <= self.max",
      message: "uniform: min must not be above max",
      holds: (u) => u.min <= u.max,
    },
  ]).optional(),
  /** One of the texts, uniform. */
  choice: z.strictObject({ values: list(text(256), 64, 1) }).optional(),
  /**
   * `<prefix><k>` with k uniform over those k in [0, count) where k % splits = split: every key lives in exactly one
   * split, so that `partitionedBy` on this field is true. `count` must not be below `splits`.
   */
  key: z.strictObject({ prefix: text(64), count: int(1, 10_000_000) }).optional(),
  /** `<prefix><k>` with k uniform in [0, count), the same in every split. */
  label: z.strictObject({ prefix: text(64), count: int(1, 10_000_000) }).optional(),
  /** The record's event time in ms since the epoch. */
  timestamp: z.strictObject({}).optional(),
  constant: z.strictObject({ value: text(1024) }).optional(),
};

export const datagenField = rules(
  z.strictObject({
    /** Where in the record, dotted: `payload.lag`. */
    path: z
      .string()
      .max(253)
      .regex(/^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*$/, "must be a dotted path such as payload.lag"),
    ...generator,
  }),
  [exactlyOne(Object.keys(generator), "a generated field")],
);
export type DatagenField = z.infer<typeof datagenField>;

export const datagenSource = z.strictObject({
  /** Units of reading; also the most workers that can share it. Default 8. */
  splits: int(1, 1024).optional(),
  /** Records a second over all splits once the backlog is used up; 0 is as fast as possible. Default 1000. */
  rate: int(0, 10_000_000).optional(),
  /** Most records a second that one worker reads, so that a demonstration lags on a fast machine, too. Default: no limit. */
  readRate: int(1, 10_000_000).optional(),
  /** Records over all splits that are there at the start. Default 0. */
  backlog: int(0, 2 ** 31 - 1).optional(),
  /** Records over all splits after which the source ends; without it the source never ends. */
  count: int(0, 2 ** 31 - 1).optional(),
  seed: int(0, 2 ** 31 - 1).optional(),
  /** Event time of record 0 of every split. Default 2026-01-01T00:00:00Z. */
  startTime: instant.optional(),
  /** Records (over all splits) for one second of event time. Default: `rate`, or 1000 when that is 0. */
  eventRate: int(1, 10_000_000).optional(),
  /** A record's event time is up to this much earlier than its place says. Default 0s. */
  outOfOrderness: duration.optional(),
  fields: list(datagenField, 32, 1).optional(),
});
export type DatagenSource = z.infer<typeof datagenSource>;

/** What datagen makes when nothing is said: the events of the quickstart. */
export const DEFAULT_FIELDS: readonly DatagenField[] = [
  { path: "type", choice: { values: ["metrics", "metrics", "metrics", "started", "heartbeat"] } },
  { path: "ts", timestamp: {} },
  { path: "tenant", key: { prefix: "tenant-", count: 100 } },
  { path: "payload.lag", uniform: { min: 0, max: 20_000 } },
  { path: "payload.host", label: { prefix: "host-", count: 10 } },
];

export const DATAGEN_DEFAULTS = {
  splits: 8,
  rate: 1000,
  backlog: 0,
  seed: 1,
  startTime: "2026-01-01T00:00:00Z",
  eventRateWithoutRate: 1000,
  outOfOrderness: "0s",
} as const;
