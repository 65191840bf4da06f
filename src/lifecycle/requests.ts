import { ANNOTATION, VERBS } from "../api/group.ts";
import type { Verb } from "../api/group.ts";
import type { JobOperation } from "../api/streaming-job-status.schema.ts";
import type { Draft } from "./draft.ts";
import { instant } from "./draft.ts";
import type { LifecycleSpec } from "./input.ts";
import type { Intent } from "./intent.ts";
import { clearOverride, overrideOf, setOverride, wantedOf } from "./overrides.ts";

export interface Answer {
  /** Accepted: it is or will be done. How it came out is said of savepoints, of what could not be done with one, and of what was given up. */
  readonly outcome: "Accepted" | "Refused" | "Succeeded" | "Failed";
  readonly message: string;
}

/** What a request's entry in the status may hold, as its schema says. */
const MAX_VALUE = 256;
const MAX_MESSAGE = 1024;

/** A server stores half a character as U+FFFD: what is compared with what it has stored must be the same. */
const cut = (text: string, length: number): string => text.slice(0, length).toWellFormed();

const accepted = (message: string): Answer => ({ outcome: "Accepted", message });
const refused = (message: string): Answer => ({ outcome: "Refused", message });

/** Verbs are annotations: each is handled once per new value, and the newest outcome of each verb is kept. */
export function takeRequests(draft: Draft, spec: LifecycleSpec): void {
  for (const verb of VERBS) {
    const value = cut(draft.input.job.annotations[ANNOTATION[verb]] ?? "", MAX_VALUE);
    if (value === "") continue;
    const done = draft.status.requests?.find((r) => r.verb === verb);
    if (done?.value.toWellFormed() === value) continue;
    const intent = intentOf(draft, verb, value);
    const { outcome, message } = typeof intent === "string" ? refused(intent) : applyIntent(draft, spec, intent);
    const rest = (draft.status.requests ?? []).filter((r) => r.verb !== verb);
    const entry = { verb, value, outcome, message: cut(message, MAX_MESSAGE), at: instant(draft.input.now) };
    draft.status.requests = [entry, ...rest].slice(0, 10);
  }
}

/** Says how the request came out that somebody asked `by`; others may have been made since, and policies are told nothing. */
export function answerRequest(draft: Draft, by: string | undefined, answer: Partial<Answer>): void {
  const { requests } = draft.status;
  if (requests === undefined) return;
  const { message } = answer;
  draft.status.requests = requests.map((r) =>
    by === asker(r.verb, r.value) ? { ...r, ...answer, ...(message && { message: cut(message, MAX_MESSAGE) }) } : r,
  );
}

/** The operation that somebody asked for does not come to be. */
export function answerGivenUp(draft: Draft, { type, trigger }: JobOperation, why: string): void {
  const slots = type === "Scale" ? overrideOf(draft, "parallelism") : undefined;
  // A size that was asked for stays: it is what the next start has.
  if (slots === undefined) answerRequest(draft, trigger, { outcome: "Failed", message: `given up: ${why}` });
  else answerRequest(draft, trigger, { message: `given up for now: ${why}; the next start has ${slots} workers` });
}

const VERB = "verb/";
const asker = (verb: string, value: string): string => `${VERB}${verb}=${value}`;

/** The request as an intent, or why it cannot be read. */
function intentOf(draft: Draft, verb: Verb, value: string): Intent | string {
  const by = asker(verb, value);
  const { annotations } = draft.input.job;
  switch (verb) {
    case "scale": {
      const match = /^(\d{1,5})(@.+)?$/.exec(value);
      if (match === null) return `"${value}" is not a parallelism; write <number>@<nonce>, for example 4@1`;
      return { verb, parallelism: Number(match[1]), by };
    }
    case "start":
      return { verb, savepoint: annotations[ANNOTATION.startFrom], by };
    case "restart": {
      const from = annotations[ANNOTATION.restartFrom] ?? "LatestSavepoint";
      if (from === "LatestSavepoint" || from === "LatestCheckpoint") return { verb, from, by };
      return `${ANNOTATION.restartFrom} must be LatestSavepoint or LatestCheckpoint, not "${cut(from, MAX_VALUE)}"`;
    }
    case "stop":
    case "savepoint":
    case "pause":
    case "resume":
      return { verb, by };
  }
}

/** Turns something asked for into what is wanted: overrides, or a note for the next operation. */
export function applyIntent(draft: Draft, spec: LifecycleSpec, intent: Intent): Answer {
  switch (intent.verb) {
    case "scale":
      return scale(draft, spec, intent);
    case "stop":
      setOverride(draft, spec, { field: "desiredState", value: "Stopped", by: intent.by });
      return accepted("the job stops");
    case "start":
      return start(draft, spec, intent);
    case "restart":
      if (draft.memory.launched === undefined) return start(draft, spec, { ...intent, verb: "start" });
      draft.memory.restart = { from: intent.from ?? "LatestSavepoint", by: intent.by };
      return accepted("the job restarts");
    case "savepoint":
      return savepoint(draft, spec, intent.by);
    case "pause":
      setOverride(draft, spec, { field: "desiredState", value: "Paused", by: intent.by });
      return accepted("the sources stop; workers and state stay");
    case "resume":
      setOverride(draft, spec, { field: "desiredState", value: "Running", by: intent.by });
      return accepted("the sources go on");
  }
}

function scale(draft: Draft, spec: LifecycleSpec, intent: Intent & { verb: "scale" }): Answer {
  const { parallelism } = intent;
  if (parallelism < 1 || parallelism > spec.maxParallelism) {
    return refused(`parallelism ${parallelism} is outside 1–${spec.maxParallelism} (maxParallelism)`);
  }
  if (spec.limit !== null && parallelism > spec.limit.max) return refused(spec.limit.reason);
  setOverride(draft, spec, { field: "parallelism", value: String(parallelism), by: intent.by });
  delete draft.memory.refused;
  return accepted(`the job moves to ${parallelism} workers`);
}

function start(draft: Draft, spec: LifecycleSpec, intent: Intent & { verb: "start" }): Answer {
  const running = draft.memory.launched !== undefined;
  if (intent.savepoint !== undefined && running) {
    return refused("the job runs; stop it first, then start it from another savepoint");
  }
  if (overrideOf(draft, "desiredState") !== undefined) clearOverride(draft, "desiredState");
  if (wantedOf(draft, spec).desiredState === "Stopped") {
    setOverride(draft, spec, { field: "desiredState", value: "Running", by: intent.by });
  }
  if (running) return accepted("the job runs already");
  delete draft.memory.ended;
  // A start that names no place takes back what an earlier one, which did not come to be, had named.
  if (intent.savepoint === undefined) delete draft.memory.startAs;
  else draft.memory.startAs = intent.savepoint;
  return accepted("the job starts");
}

function savepoint(draft: Draft, spec: LifecycleSpec, by: string): Answer {
  if (draft.memory.launched === undefined)
    return refused("the job does not run; its last savepoint is in status.savepoint");
  if (spec.savepointUri === null)
    return refused("nothing durable is configured: set spec.savepoint.uri or spec.checkpoint.storage.uri");
  // One is taken for all that ask meanwhile; only those of verbs wait for an answer.
  if (draft.memory.savepoint === undefined || by.startsWith(VERB)) draft.memory.savepoint = { by };
  return accepted("a savepoint is taken");
}
