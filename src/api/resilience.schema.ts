import { z } from "zod";
import { duration } from "./duration.ts";
import { rules } from "./rule.ts";
import type { Rule } from "./rule.ts";
import { int } from "./text.ts";

/** How a job comes back from failures, what it promises, and how it sizes itself. */

const FIELDS_OF = {
  ExponentialBackoff: ["initialDelay", "maxDelay", "multiplier", "jitter", "resetAfter", "maxAttempts"],
  FixedDelay: ["delay", "maxAttempts"],
  FailureRate: ["maxFailures", "window", "delay"],
  Never: [],
} as const;
type Strategy = keyof typeof FIELDS_OF;
const STRATEGIES = Object.keys(FIELDS_OF) as [Strategy, ...Strategy[]];

/** The fields of one strategy mean nothing under another: saying them is a mistake. */
function belongsTo(field: string): Rule<object> {
  const owners = STRATEGIES.filter((s) => (FIELDS_OF[s] as readonly string[]).includes(field));
  const strategy = "(has(self.strategy) ? self.strategy : 'ExponentialBackoff')";
  return {
    cel: `!has(self.${field}) || ${strategy} in [${owners.map((o) => `'${o}'`).join(",")}]`,
    message: `${field} belongs to strategy ${owners.join(" or ")}`,
    holds: (v) => {
      const value = v as Readonly<Record<string, unknown>>;
      const chosen = (value["strategy"] ?? "ExponentialBackoff") as Strategy;
      return value[field] === undefined || owners.includes(chosen);
    },
  };
}

export const restart = rules(
  z.strictObject({
    strategy: z.enum(STRATEGIES).optional(),
    initialDelay: duration.optional(),
    maxDelay: duration.optional(),
    multiplier: z.number().min(1).max(100).optional(),
    /** Share of the delay that is random, 0–1. */
    jitter: z.number().min(0).max(1).optional(),
    /** After this long without a failure the count starts again. */
    resetAfter: duration.optional(),
    /** -1 is no limit. */
    maxAttempts: int(-1, 1_000_000).optional(),
    delay: duration.optional(),
    maxFailures: int(1, 1_000_000).optional(),
    window: duration.optional(),
  }),
  [...new Set(STRATEGIES.flatMap((s) => [...FIELDS_OF[s]]))].map(belongsTo),
);

export const slo = z.strictObject({ maxLag: duration.optional(), recoverWithin: duration.optional() });

export const autoscale = rules(
  z.strictObject({
    mode: z.enum(["Enforce", "Advise", "Disabled"]).optional(),
    minParallelism: int(0, 1024).optional(),
    maxParallelism: int(1, 1024).optional(),
    targetUtilization: z.number().min(0.05).max(1).optional(),
    /** Time in which a backlog should be gone. */
    catchUp: duration.optional(),
    stabilization: z.strictObject({ up: duration.optional(), down: duration.optional() }).optional(),
    scaleToZero: z.boolean().optional(),
  }),
  [
    {
      cel: "!has(self.minParallelism) || !has(self.maxParallelism) || self.minParallelism <= self.maxParallelism",
      message: "autoscale.minParallelism must not be above autoscale.maxParallelism",
      holds: (a) => (a.minParallelism ?? 0) <= (a.maxParallelism ?? Number.POSITIVE_INFINITY),
    },
  ],
);
