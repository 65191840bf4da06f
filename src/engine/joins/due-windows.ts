import type { LogShard } from "./logged-join.ts";

/** Windows that the watermark has passed: in order of their end, then by shard. */
export function dueWindows<L extends object>(
  owned: Iterable<LogShard<L>>,
  watermark: number,
): { readonly shard: LogShard<L>; readonly end: number }[] {
  const due: { shard: LogShard<L>; end: number }[] = [];
  for (const shard of owned) {
    const ends = new Set([...shard.logs[0].keys(), ...shard.logs[1].keys()]);
    for (const end of ends) if (end - 1 <= watermark) due.push({ shard, end });
  }
  return due.toSorted((a, b) => a.end - b.end || a.shard.index - b.shard.index);
}
