import { ANNOTATION } from "../api/group.ts";
import type { RestorePoint } from "../api/worker-protocol.ts";
import type { Draft } from "./draft.ts";
import type { LifecycleSpec, Refusal } from "./input.ts";
import type { Launched } from "./memory.ts";

/**
 * Where an epoch starts from. It is recorded and shown, never guessed: a job that ever had state does not start empty,
 * and does not go back behind its newest state, unless the user says so for that start.
 */
export type Resolution = Resolved | { readonly blocked: Refusal };

interface Resolved {
  readonly restore: RestorePoint;
  readonly lineage: string;
  readonly used?: Used;
  /** The user named the place: it may turn out to be none. */
  readonly named?: true;
}

interface Used {
  readonly startFrom?: string;
  readonly emptyState?: string;
  readonly replay?: string;
}

const NONE: RestorePoint = { kind: "none" };

/** The place for the epoch that the operation in flight opens. */
export function resolveRestore(draft: Draft, spec: LifecycleSpec, epoch: number): Resolution {
  const { status, memory } = draft;
  const isStart = status.operation?.type === "Start";
  const asked = isStart ? askedFor(draft, spec, epoch) : undefined;
  if (asked !== undefined) return asked;

  const used: Used = isStart ? wordsOf(spec) : {};
  const lineage = status.lineage?.id ?? freshLineage(draft, epoch);
  const point = memory.restorePoint;
  if (status.lineage?.hadState === true && (point === undefined || point.kind === "none")) return { blocked: MISSING };
  const { allowNonRestoredState } = spec.startFrom;
  const allowed = { acceptReplay: isNew(used.replay, memory.used.replay), allowNonRestoredState };
  return { restore: withAllowed(point ?? NONE, allowed), lineage, used };
}

/**
 * The workers may go back behind what was committed only for the start that this is said for; they may drop the state of
 * nodes that are gone for as long as the spec says so, as in an upgrade from the job's own savepoint.
 */
function withAllowed(
  point: RestorePoint,
  { acceptReplay, allowNonRestoredState }: { acceptReplay: boolean; allowNonRestoredState: boolean },
): RestorePoint {
  const { since } = point;
  // Behind a savepoint, or none, there is nothing to go back to, but for epochs that went on from there.
  const mayReplay = acceptReplay && (point.kind === "checkpoint" || since !== undefined);
  const said = { ...(since === undefined ? {} : { since }), ...(mayReplay ? { acceptReplay } : {}) };
  switch (point.kind) {
    case "none":
      return { kind: "none", ...said };
    case "savepoint":
      return { kind: "savepoint", uri: point.uri, allowNonRestoredState, ...said };
    case "checkpoint": {
      const { kind, epoch, slots } = point;
      return { kind, epoch, slots, ...said, ...(allowNonRestoredState ? { allowNonRestoredState } : {}) };
    }
  }
}

/**
 * What the user said for this start. Whatever else relaunches a job goes on from where it was: a word that is older than
 * the job's state, or was said for the next start, must not take that state away in a scale.
 */
function askedFor(draft: Draft, spec: LifecycleSpec, epoch: number): Resolution | undefined {
  const { status, memory } = draft;
  const lineage = status.lineage?.id ?? freshLineage(draft, epoch);
  const { savepoint, acceptEmptyState } = spec.startFrom;
  if (memory.startAs !== undefined)
    return fromNamed(draft, spec, { uri: memory.startAs, lineage, by: `the annotation ${ANNOTATION.startFrom},` });
  if (isNew(savepoint, memory.used.startFrom))
    return fromNamed(draft, spec, { uri: savepoint, lineage, by: "spec.startFrom.savepoint" });
  if (!mayHaveState(draft) || !isNew(acceptEmptyState, memory.used.emptyState)) return undefined;
  return { restore: NONE, lineage: freshLineage(draft, epoch), used: wordsOf(spec) };
}

/** Also where nobody has heard of any: an epoch may have run all the same. */
const mayHaveState = ({ status, memory }: Draft): boolean =>
  status.lineage?.hadState === true || memory.restorePoint?.since !== undefined;

const freshLineage = (draft: Draft, epoch: number): string => `${draft.input.job.uid.slice(0, 8)}-${epoch}`;

/** A start uses up every word that is there, needed or not: what is left over would count for a start it was not said for. */
function wordsOf({ startFrom }: LifecycleSpec): Used {
  const { savepoint, acceptEmptyState, acceptReplay } = startFrom;
  return {
    ...(savepoint === undefined ? {} : { startFrom: savepoint }),
    ...(acceptEmptyState === undefined ? {} : { emptyState: acceptEmptyState }),
    ...(acceptReplay === undefined ? {} : { replay: acceptReplay }),
  };
}

export const isNew = (word: string | undefined, used: string | undefined): word is string =>
  word !== undefined && word !== used;

const MISSING: Refusal = {
  reason: "RestorePointMissing",
  message:
    "the job had state and no place to resume from is recorded; set spec.startFrom.savepoint, or spec.startFrom.acceptEmptyState to a new value to start empty",
};

/** A place that the user names, whichever way: going back behind the newest state needs a second word. */
function fromNamed(draft: Draft, spec: LifecycleSpec, at: { uri: string; lineage: string; by: string }): Resolution {
  const { allowNonRestoredState, acceptReplay } = spec.startFrom;
  const { memory, status } = draft;
  const restore: RestorePoint = { kind: "savepoint", uri: at.uri, allowNonRestoredState };
  const used = wordsOf(spec);
  const newest = memory.restorePoint;
  const named = { lineage: at.lineage, used, named: true } as const;
  const same = newest?.kind === "savepoint" && newest.uri === at.uri;
  if (same && newest.since === undefined) return { restore, ...named };
  if (isNew(acceptReplay, memory.used.replay)) return { restore, ...named };
  if (same) return { blocked: goneOn(at, newest.since) };
  if (status.lineage?.hadState !== true) return { restore, ...named };
  return {
    blocked: {
      reason: "StateAtRisk",
      message: `${at.by} ${at.uri} is older than the job's newest state (${describeRestore(newest)}): output would be written again; set spec.startFrom.acceptReplay to a new value to allow it for one start`,
    },
  };
}

const goneOn = ({ by, uri }: { by: string; uri: string }, since: number | undefined): Refusal => ({
  reason: "StateAtRisk",
  message: `${by} ${uri} is what epoch ${since} and any later one were to start from, and nobody knows whether they ran: output may be written again; name no place to go on from the newest that did, or set spec.startFrom.acceptReplay to a new value to allow it for one start`,
});

/**
 * Where the next epoch starts from once the workers of this one have ended without a savepoint. That nobody has heard of them
 * does not mean that they did not run: they may have been out of reach, and their output is committed. What was only in
 * their memory has ended with them.
 */
export function restoreAfter({ ran, durable, restore, epoch, slots }: Launched): RestorePoint {
  if (ran === true) return { kind: "checkpoint", epoch, slots };
  return durable === false ? restore : { ...restore, since: restore.since ?? epoch };
}

export const isDurable = ({ checkpoint }: LifecycleSpec): boolean => !checkpoint.uri.startsWith("memory:");

/** For workers that see no checkpoint of any epoch before them, and so cannot go on from one. */
export function withoutSince(restore: RestorePoint): RestorePoint {
  const { since: _, ...place } = restore;
  return place;
}

export function describeRestore(point: RestorePoint | undefined): string {
  switch (point?.kind) {
    case "savepoint":
      return `savepoint ${point.uri}`;
    case "checkpoint":
      return `newest checkpoints of epoch ${point.epoch}`;
    case "none":
    case undefined:
      return "no saved state";
  }
}
