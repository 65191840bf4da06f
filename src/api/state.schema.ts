import { z } from "zod";
import { url } from "./connection.schema.ts";
import { cron } from "./cron.ts";
import { duration } from "./duration.ts";
import { quantity } from "./quantity.ts";
import { objectRef, secretRef } from "./reference.schema.ts";
import { atMostOne, rules } from "./rule.ts";
import { filled, int, text, timeZone } from "./text.ts";

/** How a job's state is kept safe: checkpoints, savepoints, where a start comes from and how a stop leaves. */

/** A folder in durable storage. `memory://` is accepted and is not durable: status says so. */
export const storageUri = z
  .string()
  .max(1024)
  .regex(/^(s3:\/\/[^/@]+(\/.*)?|file:\/\/\/.*|memory:\/\/.*)$/, "must be s3://bucket/…, file:///… or memory://");

export const storage = z.strictObject({
  uri: storageUri,
  endpoint: url.optional(),
  region: text(64).optional(),
  /** Secret with the keys `accessKeyId` and `secretAccessKey`. */
  secretRef: secretRef.optional(),
});

export const checkpoint = z.strictObject({
  interval: duration.optional(),
  timeout: duration.optional(),
  minPause: duration.optional(),
  retain: int(1, 100).optional(),
  tolerableFailures: int(0, 1000).optional(),
  delivery: z.enum(["AtLeastOnce", "ExactlyOnce"]).optional(),
  storage: storage.optional(),
});

export const savepoint = z.strictObject({
  schedule: cron.optional(),
  timeZone: timeZone.optional(),
  retain: z.strictObject({ count: int(1, 1000).optional(), age: duration.optional() }).optional(),
  uri: storageUri.optional(),
});

export const state = z.strictObject({
  backend: z.enum(["Memory", "RocksDB"]).optional(),
  ttl: duration.optional(),
  memoryLimit: quantity.optional(),
});

export const startFrom = rules(
  z.strictObject({
    savepoint: storageUri.optional(),
    snapshotRef: objectRef.optional(),
    allowNonRestoredState: z.boolean().optional(),
    /** A new value allows one start without the state the job had. */
    acceptEmptyState: filled(64).optional(),
    /** A new value allows one start that emits committed output again. */
    acceptReplay: filled(64).optional(),
  }),
  [atMostOne(["savepoint", "snapshotRef"], "startFrom")],
);

export const stop = z.strictObject({
  mode: z.enum(["Savepoint", "Checkpoint", "Cancel"]).optional(),
  drain: z.boolean().optional(),
  savepointDir: storageUri.optional(),
  timeout: duration.optional(),
});

export const upgrade = z.strictObject({
  mode: z.enum(["Savepoint", "LastCheckpoint", "Stateless"]).optional(),
  fallback: z.enum(["LastCheckpoint", "None"]).optional(),
  rollback: z.strictObject({ enabled: z.boolean().optional(), stableAfter: duration.optional() }).optional(),
});

export const deletion = z.strictObject({
  mode: z.enum(["Savepoint", "Cancel", "Orphan"]).optional(),
  keepSnapshots: z.boolean().optional(),
  timeout: duration.optional(),
});
