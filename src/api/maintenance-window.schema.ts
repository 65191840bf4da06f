import { z } from "zod";
import { conditionList } from "./conditions.ts";
import { cron } from "./cron.ts";
import { duration } from "./duration.ts";
import { API_VERSION } from "./group.ts";
import { objectMeta } from "./metadata.schema.ts";
import { rules } from "./rule.ts";
import type { Rule } from "./rule.ts";
import { jobSelection } from "./selection.schema.ts";
import { instant, list, text, timeZone } from "./text.ts";

const when: Rule<{ schedule?: unknown; duration?: unknown; start?: unknown; end?: unknown }> = {
  cel: "has(self.schedule) ? (has(self.duration) && !has(self.start) && !has(self.end)) : (has(self.start) && has(self.end) != has(self.duration))",
  message: "say when: schedule and duration for a repeated window, or start and end (or duration) for a single one",
  holds: (w) => {
    const [duration, start, end] = [w.duration, w.start, w.end].map((x) => x !== undefined);
    return w.schedule !== undefined ? Boolean(duration && !start && !end) : Boolean(start && end !== duration);
  },
};

export const maintenanceWindowSpec = rules(
  z.strictObject({
    ...jobSelection.fields,
    /** Start of each window, in `timeZone`. */
    schedule: cron.optional(),
    duration: duration.optional(),
    /** Zone of `schedule`. Default UTC. */
    timeZone: timeZone.optional(),
    /** No window opens while true; an open one ends. */
    suspend: z.boolean().optional(),
    start: instant.optional(),
    end: instant.optional(),
  }),
  [jobSelection.rule, when],
);
export type MaintenanceWindowSpec = z.infer<typeof maintenanceWindowSpec>;

export const maintenanceWindowStatus = z.strictObject({
  observedGeneration: z.int().optional(),
  /** The last value of the annotation reconcile.weir.dev/requestedAt that was seen. */
  lastHandledReconcileAt: text(256).optional(),
  active: z.boolean().optional(),
  startedAt: text(40).optional(),
  endedAt: text(40).optional(),
  nextStart: text(40).optional(),
  nextEnd: text(40).optional(),
  /** The selected jobs, at most the first 100 by name. */
  jobs: list(text(253), 100).optional(),
  conditions: conditionList.optional(),
});
export type MaintenanceWindowStatus = z.infer<typeof maintenanceWindowStatus>;

export const maintenanceWindow = z.strictObject({
  apiVersion: z.literal(API_VERSION),
  kind: z.literal("MaintenanceWindow"),
  metadata: objectMeta,
  spec: maintenanceWindowSpec,
  status: maintenanceWindowStatus.optional(),
});
export type MaintenanceWindow = z.infer<typeof maintenanceWindow>;
