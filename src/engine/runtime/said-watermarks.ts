import type { SourceReader } from "../connectors/connector.ts";
import { lowestWatermark, type SplitWatermarks } from "./split-watermarks.ts";

/**
 * The watermark of an exchange: its writers say how far time is in each split, and which of them have nothing to write.
 * What the records' own times say does not count.
 */
export function saidWatermarks(
  splits: readonly number[],
  said: NonNullable<SourceReader["watermarks"]>,
  restored: number,
): SplitWatermarks {
  let idle: ReadonlySet<number> = new Set();
  let done: ReadonlySet<number> = new Set();
  let last = restored;
  const at = (): Map<number, number> => {
    const now = said();
    return new Map(splits.map((split) => [split, now.get(split) ?? -Infinity]));
  };
  return {
    add: () => undefined,
    observe: () => undefined,
    rest: (quiet, finished) => {
      idle = new Set(quiet);
      done = new Set(finished);
    },
    stir: () => false,
    restart: () => undefined,
    current: () => (last = Math.max(last, lowestWatermark(at(), { done, idle }))),
    of: (split) => said().get(split) ?? -Infinity,
    idle: () => {
      const left = splits.filter((split) => !done.has(split));
      return left.length > 0 && left.every((split) => idle.has(split));
    },
  };
}
