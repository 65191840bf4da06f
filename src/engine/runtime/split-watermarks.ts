/** How a source's event time is read off its splits; from the plan. */
export interface EventTimeRule {
  readonly maxOutOfOrdernessMs: number;
  /** 0: a split without records holds the watermark back for ever. */
  readonly idleTimeoutMs: number;
}

/**
 * The watermark of one source: the minimum over its splits of (highest event time − out-of-orderness − 1), without the
 * splits that are idle or have ended. "− 1" because a watermark t says that nothing at or before t is to come, and
 * another record with the highest time still may (Flink's BoundedOutOfOrdernessWatermarks).
 */
export interface SplitWatermarks {
  /** A split that joins: nothing is known of its time yet. */
  add(split: number): void;
  observe(split: number, maxEventTime: number): void;
  /** Which splits have nothing to read now, and which never will again. `now` is `Clock.elapsed`. */
  rest(idle: readonly number[], finished: readonly number[], now: number): void;
  /** Idle splits that have something to read now hold back again; false when there is none. */
  stir(quiet: () => readonly number[]): boolean;
  /** Forgets how long splits have been idle: while sources are paused nothing is known about them. */
  restart(): void;
  /** Never goes back. */
  current(): number;
  of(split: number): number;
  /** Nothing is read now: every split that has not ended is idle, and there is one; or there never was any. */
  idle(): boolean;
}

export function splitWatermarks(
  splits: readonly number[],
  rule: EventTimeRule,
  restored: { readonly splits: ReadonlyMap<number, number>; readonly watermark: number },
): SplitWatermarks {
  const at = new Map(splits.map((split) => [split, restored.splits.get(split) ?? -Infinity]));
  const quietSince = new Map<number, number>();
  const idle = new Set<number>();
  let done: ReadonlySet<number> = new Set();
  let last = restored.watermark;

  return {
    add: (split) => {
      if (!at.has(split)) at.set(split, -Infinity);
    },
    observe: (split, maxEventTime) => {
      quietSince.delete(split);
      idle.delete(split);
      const next = maxEventTime - rule.maxOutOfOrdernessMs - 1;
      if (next > (at.get(split) ?? -Infinity)) at.set(split, next);
    },
    rest: (quiet, finished, now) => {
      done = new Set(finished);
      const still = new Set(quiet);
      for (const split of quietSince.keys()) if (!still.has(split)) quietSince.delete(split);
      // What it has to read now may be older than what the others are at.
      for (const split of idle) if (!still.has(split)) idle.delete(split);
      for (const split of quiet) {
        const since = quietSince.get(split) ?? now;
        quietSince.set(split, since);
        if (rule.idleTimeoutMs > 0 && now - since >= rule.idleTimeoutMs) idle.add(split);
      }
    },
    stir: (quiet) => {
      if (idle.size === 0) return false;
      const before = idle.size;
      const still = new Set(quiet());
      for (const split of idle) if (!still.has(split)) idle.delete(split);
      return idle.size < before;
    },
    restart: () => {
      quietSince.clear();
      idle.clear();
    },
    current: () => (last = Math.max(last, lowestWatermark(at, { done, idle }))),
    of: (split) => at.get(split) ?? -Infinity,
    idle: () => {
      if (at.size === 0) return true;
      const left = [...at.keys()].filter((split) => !done.has(split));
      return left.length > 0 && left.every((split) => idle.has(split));
    },
  };
}

/**
 * Without a split that reads, the idle ones say how far time has come; ended ones only when all have ended. A worker that
 * has no split at all knows nothing of time.
 */
export function lowestWatermark(
  at: ReadonlyMap<number, number>,
  { done, idle }: { readonly done: ReadonlySet<number>; readonly idle: ReadonlySet<number> },
): number {
  let lowest = Infinity;
  let highest = -Infinity;
  let active = 0;
  for (const [split, watermark] of at) {
    if (done.has(split)) continue;
    highest = Math.max(highest, watermark);
    if (idle.has(split)) continue;
    active++;
    lowest = Math.min(lowest, watermark);
  }
  if (active > 0) return lowest;
  return at.size > 0 && at.size === done.size ? Infinity : highest;
}
