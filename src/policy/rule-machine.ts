import type { RuleState } from "../api/streaming-job-status.schema.ts";

/**
 * What a condition says about the newest event; "Hold" where nothing new is known, as when only time has passed. "Unknown"
 * is never false: `onMissingData` has already spoken, and nothing begins and nothing ends until the value is back.
 */
export type Verdict = "True" | "False" | "Hold" | "Unknown";

export interface RuleTiming {
  readonly forMs: number;
  readonly cooldownMs: number;
  /** A condition on events that happen once, such as the start of a window: firing lasts until the action was taken. */
  readonly edge: boolean;
}

const instant = (ms: number): string => new Date(ms).toISOString();
const at = (text: string | undefined): number => Date.parse(text ?? "");

/** One step of a rule: Inactive → Pending (`for`) → Firing → CoolingDown → … Pure; the state is kept in the job's status. */
export function stepRule(before: RuleState, verdict: Verdict, timing: RuleTiming, now: number): RuleState {
  if (verdict === "Unknown") return before;
  const state = verdict === "False" ? cleared(before) : before;
  switch (state.state) {
    case "Inactive":
      return verdict === "True" ? begin(state, timing, now) : state;
    case "Pending":
      if (verdict === "False") return dismissed(state);
      return now - at(state.pendingSince) >= timing.forMs ? firing(state, now) : state;
    case "Firing":
      return stepFiring(state, verdict, timing, now);
    case "CoolingDown":
      if (now < at(state.coolUntil)) return state;
      return verdict === "True" ? begin(state, timing, now) : dismissed(state);
  }
}

function stepFiring(state: RuleState, verdict: Verdict, timing: RuleTiming, now: number): RuleState {
  if (timing.edge) return verdict === "True" && acted(state) ? firing(state, now) : state;
  return verdict === "False" ? dismissed(state) : state;
}

function begin(state: RuleState, timing: RuleTiming, now: number): RuleState {
  if (timing.forMs === 0) return firing(state, now);
  return { ...dismissed(state), state: "Pending", pendingSince: instant(now) };
}

/** Behind the action before, also one of the same moment: else this firing would count as acted on. */
function firing(state: RuleState, now: number): RuleState {
  const { firedAt, firings = 0, ...rest } = dismissed(state);
  const before = firedAt === undefined ? {} : { firedAt: instant(Math.min(at(firedAt), now - 1)) };
  return { ...rest, ...before, state: "Firing", firings: firings + 1, firingSince: instant(now) };
}

/** The rule fired and its action has not been taken in this firing. */
export const isDue = (state: RuleState): boolean => state.state === "Firing" && !acted(state);

const acted = (state: RuleState): boolean => at(state.firedAt) >= at(state.firingSince);

/** After its action was taken. */
export function afterAction(state: RuleState, timing: RuleTiming, now: number): RuleState {
  const done = { ...state, firedAt: instant(now) };
  if (timing.edge) return dismissed(done);
  if (timing.cooldownMs === 0) return done;
  const { firingSince: _, ...rest } = done;
  return { ...rest, state: "CoolingDown", coolUntil: instant(now + timing.cooldownMs) };
}

/**
 * A clock that was set back, or another replica's, must not make a rule wait for longer than it says, nor fire since a time
 * to come: what a person changes then would count as older.
 */
export function notAhead(state: RuleState, { cooldownMs }: RuleTiming, now: number): RuleState {
  const { pendingSince, coolUntil, firingSince, firedAt } = state;
  if (pendingSince !== undefined && at(pendingSince) > now) return { ...state, pendingSince: instant(now) };
  if (coolUntil !== undefined && at(coolUntil) > now + cooldownMs)
    return { ...state, coolUntil: instant(now + cooldownMs) };
  const ahead = at(firingSince) - now;
  if (!(ahead > 0)) return state;
  // Whether it has acted is which of the two is later.
  const acted = firedAt === undefined ? {} : { firedAt: instant(Math.min(at(firedAt) - ahead, now)) };
  return { ...state, ...acted, firingSince: instant(now) };
}

/** Back to the start: what was pending, firing or cooling is over. */
export function dismissed(state: RuleState): RuleState {
  const { pendingSince: _p, firingSince: _f, coolUntil: _c, ...rest } = state;
  return { ...rest, state: "Inactive" };
}

/** The condition does not hold: what was asked for while it did is history. */
function cleared(state: RuleState): RuleState {
  if (state.asked === undefined) return state;
  const { asked: _, ...rest } = state;
  return rest;
}

/** When this rule must be looked at again without an event. */
export function ruleDeadline(state: RuleState, timing: RuleTiming): number | undefined {
  if (state.state === "Pending") return at(state.pendingSince) + timing.forMs;
  return state.state === "CoolingDown" ? at(state.coolUntil) : undefined;
}
