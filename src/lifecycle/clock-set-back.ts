import type { Draft } from "./draft.ts";
import { instant, targetOf, timeOf } from "./draft.ts";

/**
 * The status holds moments by the clock, because they outlive the process. Where one that has passed lies ahead, the clock was
 * set back, or another replica's is behind: what was counted from it moves along, or the job would wait for the clock.
 */
export function followClock(draft: Draft): void {
  followOperation(draft);
  followFailures(draft);
  const { now } = draft.input;
  if ((draft.memory.measuredAt ?? 0) > now) draft.memory.measuredAt = now;
}

function followOperation(draft: Draft): void {
  const { operation } = draft.status;
  const by = timeOf(operation?.startedAt) - draft.input.now;
  if (operation === undefined || by <= 0) return;
  operation.startedAt = instant(draft.input.now);
  if (operation.deadline !== undefined) operation.deadline = instant(timeOf(operation.deadline) - by);
  const target = targetOf(operation);
  if (target.runningSince !== undefined) target.runningSince -= by;
}

function followFailures(draft: Draft): void {
  const { memory, status } = draft;
  const by = (memory.failures.at(-1) ?? 0) - draft.input.now;
  if (by <= 0) return;
  memory.failures = memory.failures.map((at) => at - by);
  if (status.restarts?.nextAt !== undefined) status.restarts.nextAt = instant(timeOf(status.restarts.nextAt) - by);
}
