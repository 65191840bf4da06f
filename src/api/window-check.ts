import { parseDuration } from "./duration.ts";
import type { PipelineNode, Window } from "./pipeline.schema.ts";
import type { Problem } from "./problem.ts";

/** A result is merged of as many panes; more are more work for one result than a worker should do between two records. */
const MAX_PANES = 10_000;

/** Windows that time ends. */
export const isTimed = (window: Window | undefined): boolean =>
  window !== undefined && window.count === undefined && window.global === undefined;

/** The time is that of the worker's clock: no record is late for it. */
export const isOfProcessingTime = (window: Window | undefined): boolean => window?.time === "Processing";

/** Windows of event time: records can be late for them. */
export const isOfEventTime = (window: Window | undefined): boolean => isTimed(window) && !isOfProcessingTime(window);

/** What is wrong with the times of a node's window. */
export function windowProblems(node: PipelineNode): Problem[] {
  const { name, window } = node;
  const ofWindow = window === undefined ? [] : [...times(window), ...lateness(window), ...processing(window)];
  return [...ofWindow, ...timesToLive(node)].map(([field, message]) => ({
    code: "PIPELINE_INVALID",
    path: `spec.pipeline.nodes[${name}].${field}`,
    message,
  }));
}

function timesToLive({ window, ttl, dedup, distinct }: PipelineNode): Found[] {
  const all = { "dedup.ttl": dedup?.ttl, "distinct.ttl": distinct?.ttl, ttl };
  const found = Object.entries(all).flatMap(([field, text]) =>
    text === undefined ? [] : longerThanNothing(field, text),
  );
  if (ttl !== undefined && isTimed(window))
    found.push(["ttl", "is for keys that no window of time ends; leave it out"]);
  return found;
}

type Found = [field: string, message: string];

function times(window: Window): Found[] {
  const { tumbling, sliding, session, cumulate, global } = window;
  if (tumbling !== undefined) return tumblingTimes(tumbling);
  if (sliding !== undefined) return slidingTimes(sliding);
  if (cumulate !== undefined) return cumulateTimes(cumulate);
  if (session !== undefined) return longerThanNothing("window.session.gap", session.gap);
  const every = global?.trigger.every;
  return every === undefined ? [] : longerThanNothing("window.global.trigger.every", every);
}

function tumblingTimes({ size, offset }: NonNullable<Window["tumbling"]>): Found[] {
  const empty = longerThanNothing("window.tumbling.size", size);
  if (empty.length > 0 || offset === undefined || parseDuration(offset) < parseDuration(size)) return empty;
  return [["window.tumbling.offset", `must be shorter than the size ${size}`]];
}

function slidingTimes({ size, every }: NonNullable<Window["sliding"]>): Found[] {
  const empty = [
    ...longerThanNothing("window.sliding.size", size),
    ...longerThanNothing("window.sliding.every", every),
  ];
  if (empty.length > 0) return empty;
  const [whole, step] = [parseDuration(size), parseDuration(every)];
  if (step > whole)
    return [["window.sliding.every", `must not be longer than the size ${size}: what lies between would be lost`]];
  const panes = whole / commonDivisor(whole, step);
  return panes <= MAX_PANES ? [] : [["window.sliding", tooMany(panes)]];
}

function cumulateTimes({ step, max }: NonNullable<Window["cumulate"]>): Found[] {
  const empty = longerThanNothing("window.cumulate.step", step);
  if (empty.length > 0) return empty;
  const panes = parseDuration(max) / parseDuration(step);
  if (!Number.isInteger(panes) || panes === 0)
    return [["window.cumulate.max", `must be a multiple of the step ${step}`]];
  return panes <= MAX_PANES ? [] : [["window.cumulate", tooMany(panes)]];
}

const tooMany = (panes: number): string =>
  `is cut into ${panes} pieces, more than ${MAX_PANES}: choose a size that is fewer steps long`;

function lateness(window: Window): Found[] {
  if (window.allowedLateness === undefined || isTimed(window)) return [];
  return [["window.allowedLateness", "belongs to windows of time: nothing is late for a count or global window"]];
}

function processing(window: Window): Found[] {
  if (!isOfProcessingTime(window)) return [];
  if (!isTimed(window)) return [["window.time", "belongs to windows that time ends, not to count or global ones"]];
  if (window.allowedLateness === undefined) return [];
  return [["window.allowedLateness", "belongs to event time: no record is late for a window of processing time"]];
}

/** Beyond it, sums with times are no whole numbers any more. */
const LONGEST = "876000h";

/** What is wrong with a time that something lives or lasts. */
export function longerThanNothing(field: string, text: string): Found[] {
  const ms = parseDuration(text);
  if (ms === 0) return [[field, "must be longer than 0"]];
  return ms > parseDuration(LONGEST) ? [[field, `must not be longer than ${LONGEST}, a hundred years`]] : [];
}

const commonDivisor = (a: number, b: number): number => (b === 0 ? a : commonDivisor(b, a % b));
