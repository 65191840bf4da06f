import { parseDuration } from "../../api/duration.ts";
import type { PipelineNode, Window } from "../../api/pipeline.schema.ts";
import { isOfProcessingTime } from "../../api/window-check.ts";
import { WeirError } from "../../errors.ts";
import type { AggregateFunction, Keying, PlanTrigger, PlanWindow } from "../plan.ts";
import { parseAggregate } from "./aggregates.ts";
import { checkExpression, checkUnclaimed, isText } from "./expressions.ts";
import type { CheckedNode } from "./expressions.ts";
import { plainPath } from "./field-path.ts";

/** The physical operator of a node that keeps state by key. */
export function keyedOperation(spec: PipelineNode, keying: Keying, at: CheckedNode) {
  const { name, keyBy, aggregate, dedup, topN: ranking } = spec;
  if (spec.distinct !== undefined) return distinct(spec.distinct, keying, at);
  if (keyBy === undefined) throw new WeirError("PIPELINE_INVALID", `node "${name}" needs keyBy`);
  const key = checkUnclaimed({ ...at, field: "keyBy" }, keyBy, "key");
  if (dedup !== undefined)
    return { kind: "dedup", key, anyValue: false, ttlMs: milliseconds(dedup.ttl), keying } as const;
  const keyField = plainPath(keyBy)?.at(-1) ?? "key";
  if (ranking !== undefined) return topN(spec, { key, keyField, ranking, keying }, at);
  if (aggregate === undefined) throw new WeirError("PIPELINE_INVALID", `node "${name}" has no operation`);
  return aggregation(spec, { key, keyField, aggregate, keying }, at);
}

interface Key {
  readonly key: string;
  readonly keyField: string;
  readonly keying: Keying;
}

function aggregation(spec: PipelineNode, of: Key & { aggregate: Record<string, string> }, at: CheckedNode) {
  const { name, window, ttl } = spec;
  const { aggregate, ...keyed } = of;
  const timed = window === undefined ? undefined : planWindow(window);
  const own = [of.keyField, ...(timed === undefined ? [] : ["windowStart", "windowEnd"])];
  checkResult(name, own, Object.keys(aggregate));
  const counted = { ...keyed, aggregates: aggregates(aggregate, at) };
  if (timed === undefined)
    return { kind: "keyedAggregate", ...counted, trigger: planTrigger(window), ttlMs: milliseconds(ttl) } as const;
  const allowedLatenessMs = milliseconds(window?.allowedLateness);
  // Left out for event time: the plans of jobs that run would have another hash, and start anew.
  const clock = isOfProcessingTime(window) ? ({ time: "processing" } as const) : {};
  return { kind: "windowAggregate", ...counted, window: timed, ...clock, allowedLatenessMs } as const;
}

function distinct({ by = "event", ttl }: NonNullable<PipelineNode["distinct"]>, keying: Keying, at: CheckedNode) {
  return {
    kind: "dedup",
    key: checkExpression({ ...at, field: "distinct" }, by),
    anyValue: true,
    ttlMs: milliseconds(ttl),
    keying,
  } as const;
}

function topN({ name, ttl }: PipelineNode, of: Key & { ranking: NonNullable<PipelineNode["topN"]> }, at: CheckedNode) {
  const { ranking, ...keyed } = of;
  const { size, by, order = "Descending" } = ranking;
  checkResult(name, [of.keyField, "rank", "record"], []);
  return {
    kind: "topN",
    ...keyed,
    size,
    by: checkUnclaimed({ ...at, field: "topN" }, by, "ranked"),
    order,
    ttlMs: milliseconds(ttl),
  } as const;
}

const milliseconds = (duration: string | undefined): number => (duration === undefined ? 0 : parseDuration(duration));

const OF_NUMBERS: ReadonlySet<AggregateFunction> = new Set(["sum", "avg", "percentile"]);
const OF_TEXTS = { min: "minText", max: "maxText" } as const;

function aggregates(aggregate: Readonly<Record<string, string>>, at: CheckedNode) {
  return Object.entries(aggregate).map(([field, text]) => {
    const parsed = parseAggregate(at.name, field, text);
    const { fn, arg } = parsed;
    if (arg === null) return parsed;
    const own = { ...at, field: `aggregate.${field}` };
    if (fn !== "min" && fn !== "max") {
      checkExpression(own, arg, OF_NUMBERS.has(fn) ? "number" : "any");
      return parsed;
    }
    // Numbers are kept in another form than texts, so the type has to be known: where it is not, they are numbers.
    return isText(own, arg) ? { ...parsed, fn: OF_TEXTS[fn] } : parsed;
  });
}

/** A window that time ends; undefined for those that count. */
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
