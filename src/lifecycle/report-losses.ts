import { setWhileTrue } from "./conditions.ts";
import type { Draft } from "./draft.ts";
import type { SlotView } from "./slots.ts";

/** What a source's `offsetReset`, or a file that was replaced, has cost since the workers started: a condition while they run, an Event for each time. */
export function reportLosses(draft: Draft, slots: readonly SlotView[]): void {
  const losses = slots.flatMap(({ slot, worker }) => {
    const lost = worker?.metrics?.lost;
    return lost === undefined ? [] : [{ slot, ...lost }];
  });
  const newest = losses.at(-1);
  if (newest === undefined) {
    setWhileTrue(draft, "RecordsLost", undefined);
    return;
  }
  const records = losses.reduce((sum, lost) => sum + lost.records, 0);
  // What was removed with a topic or a file nobody can count.
  const many = records === 0 ? "An unknown number of" : records;
  const message = `${many} records since the workers started; the last of worker ${newest.slot}: ${newest.message}`;
  const before = draft.status.conditions?.find((c) => c.type === "RecordsLost");
  if (before?.message !== message) draft.events.push({ type: "Warning", reason: "OffsetReset", message });
  setWhileTrue(draft, "RecordsLost", { reason: "OffsetReset", message });
}
