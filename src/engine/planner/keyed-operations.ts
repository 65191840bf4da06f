import { parseDuration } from "../../api/duration.ts";
import type { PipelineNode, Window } from "../../api/pipeline.schema.ts";
import { WeirError } from "../../errors.ts";
import type { Keying, PlanTrigger, PlanWindow } from "../plan.ts";
import { parseAggregate } from "./aggregates.ts";
import { checkExpression } from "./expressions.ts";
import type { CheckedNode } from "./expressions.ts";
import { plainPath } from "./field-path.ts";

/** The physical operator of a node that keeps state by key. */
export function keyedOperation(spec: PipelineNode, keying: Keying, at: CheckedNode) {
  const { name, keyBy, window, aggregate } = spec;
  if (keyBy === undefined || aggregate === undefined)
    throw new WeirError("PIPELINE_INVALID", `node "${name}" needs keyBy and aggregate together`);
  const timed = window === undefined ? undefined : planWindow(window);
  const keyField = plainPath(keyBy)?.at(-1) ?? "key";
  checkResult(name, [keyField, ...(timed === undefined ? [] : ["windowStart", "windowEnd"])], Object.keys(aggregate));
  const keyed = { key: checkExpression(at, keyBy), keyField, aggregates: aggregates(aggregate, at), keying };
  if (timed === undefined)
    return { kind: "keyedAggregate", ...keyed, trigger: planTrigger(window), ttlMs: milliseconds(spec.ttl) } as const;
  const allowedLatenessMs = milliseconds(window?.allowedLateness);
  return { kind: "windowAggregate", ...keyed, window: timed, allowedLatenessMs } as const;
}

const milliseconds = (duration: string | undefined): number => (duration === undefined ? 0 : parseDuration(duration));

function aggregates(aggregate: Readonly<Record<string, string>>, at: CheckedNode) {
  return Object.entries(aggregate).map(([field, text]) => {
    const parsed = parseAggregate(at.name, field, text);
    if (parsed.arg !== null) checkExpression(at, parsed.arg);
    return parsed;
  });
}

/** A window of event time; undefined for those that count. */
function planWindow({ tumbling, sliding, cumulate, session }: Window): PlanWindow | undefined {
  if (tumbling !== undefined)
    return { type: "tumbling", sizeMs: milliseconds(tumbling.size), offsetMs: milliseconds(tumbling.offset) };
  if (sliding !== undefined)
    return { type: "sliding", sizeMs: milliseconds(sliding.size), everyMs: milliseconds(sliding.every) };
  if (cumulate !== undefined)
    return { type: "cumulate", stepMs: milliseconds(cumulate.step), maxMs: milliseconds(cumulate.max) };
  return session === undefined ? undefined : { type: "session", gapMs: milliseconds(session.gap) };
}

function planTrigger(window: Window | undefined): PlanTrigger {
  if (window?.count !== undefined) return { type: "fill", size: window.count.size };
  const { count, every } = window?.global?.trigger ?? {};
  if (count !== undefined) return { type: "count", every: count };
  return every === undefined ? { type: "record" } : { type: "time", everyMs: milliseconds(every) };
}

function checkResult(node: string, own: readonly string[], names: readonly string[]): void {
  for (const name of names) {
    if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name))
      throw new WeirError("PIPELINE_INVALID", `node "${node}": aggregate "${name}" is not a field name`);
    if (own.includes(name))
      throw new WeirError("PIPELINE_INVALID", `node "${node}": the result already has a field "${name}"; rename it`);
  }
  const [keyField = "", ...others] = own;
  if (others.includes(keyField))
    throw new WeirError(
      "PIPELINE_INVALID",
      `node "${node}": the key's field cannot be called ${keyField}; map it first`,
    );
}
