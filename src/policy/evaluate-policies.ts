import type { Decision, DecisionOutcome, RuleState } from "../api/streaming-job-status.schema.ts";
import { type Wanting, arbitrate, beatenBy } from "./arbiter.ts";
import { type Candidate, candidateOf } from "./candidates.ts";
import { type CompiledRule, compileRules } from "./compiled-rule.ts";
import { type Bindings, inputsOf, truthOf } from "./condition.ts";
import { conflicts } from "./conflicts.ts";
import { recordDecision } from "./decision-log.ts";
import { matchesType } from "./event-types.ts";
import type { PolicyEvent, PolicyInput, PolicyIntent, PolicyOutput } from "./input.ts";
import { maintenanceStep } from "./maintenance.ts";
import { type Verdict, afterAction, dismissed, isDue, notAhead, ruleDeadline, stepRule } from "./rule-machine.ts";

const HOUR_MS = 3_600_000;
const RETRY_MS = 1_000;
const REMEMBERED_ACTIONS = 100;

/** One rule on its way through an evaluation. */
interface Running {
  readonly rule: CompiledRule;
  state: RuleState;
  /** The newest event that the rule looked at. */
  event: PolicyEvent | undefined;
}

/**
 * What all policies say about one job now. Pure: the same input gives the same output, so every decision can be replayed
 * from its record. At most one intent comes out; the caller starts it and writes `memory` in one status write.
 */
export function evaluatePolicies(input: PolicyInput): PolicyOutput {
  const { job, now, memory } = input;
  const step = maintenanceStep(input.windows, memory.maintenance, now);
  const { rules, problems } = compileRules(input.policies.filter((p) => p.spec.mode !== "Disabled"));
  const running = rules.map((rule): Running => ({ rule, state: rememberedState(rule, input), event: undefined }));
  const bind = (event: PolicyEvent | undefined): Bindings => ({
    event,
    job,
    maintenanceActive: step.maintenance.active,
  });

  for (const event of step.event === undefined ? input.events : [...input.events, step.event]) {
    for (const r of running) feed(r, event, bind(event), now);
  }
  for (const r of running)
    if (r.event === undefined && ruleDeadline(r.state, r.rule.timing) !== undefined)
      r.state = stepRule(r.state, "Hold", r.rule.timing, now);
  dismissOpposites(running);

  const outcome = act(running, input, bind);
  const deadlines = [
    step.nextEdgeAt,
    ...running.map((r) => ruleDeadline(r.state, r.rule.timing)),
    ...(running.some((r) => isDue(r.state)) ? [now + RETRY_MS] : []),
  ].filter((at) => at !== undefined && at > now);
  return {
    intents: outcome.intents,
    notices: outcome.notices,
    memory: {
      policy: { rules: running.map((r) => r.state), actions: outcome.actions },
      decisions: outcome.decisions,
      maintenance: step.maintenance,
    },
    nextEvaluationAt: deadlines.length === 0 ? undefined : Math.min(...(deadlines as number[])),
    problems: [...problems, ...conflicts(rules, job.name)],
  };
}

function rememberedState(rule: CompiledRule, { memory, now }: PolicyInput): RuleState {
  const { name: policy, uid } = rule.policy;
  const found = memory.policy?.rules?.find(
    (s) => s.policy === policy && s.rule === rule.name && (s.uid ?? uid) === uid,
  );
  if (found !== undefined) return notAhead(found, rule.timing, now);
  return { policy, uid, rule: rule.name, state: "Inactive", firings: 0 };
}

/** A rule looks only at events that its condition can be about. */
function feed(running: Running, event: PolicyEvent, bindings: Bindings, now: number): void {
  const { rule } = running;
  if (!matchesType(rule.types, event.type)) return;
  running.event = event;
  running.state = stepRule(running.state, verdictOf(running, bindings), rule.timing, now);
}

function verdictOf({ rule, state }: Running, bindings: Bindings): Verdict {
  const truth = truthOf(rule.condition, bindings);
  if ("unknown" in truth) return ({ Hold: "Unknown", Fire: "True", Clear: "False" } as const)[rule.onMissingData];
  if (truth.value) return "True";
  if (rule.clear === undefined || state.state !== "Firing") return "False";
  const cleared = truthOf(rule.clear, bindings);
  return "value" in cleared && cleared.value ? "False" : "Hold";
}

/** The end of a window takes back a stop that never got its turn, and the other way round. */
function dismissOpposites(running: readonly Running[]): void {
  const newest = (r: Running): number => Date.parse(r.state.firingSince ?? "") || 0;
  const isEdge = (r: Running): boolean => r.rule.timing.edge && isDue(r.state);
  for (const stop of running.filter((r) => r.rule.action === "Stop" && isEdge(r))) {
    for (const start of running.filter(
      (r) => r.rule.action === "Start" && isEdge(r) && r.rule.policy.uid === stop.rule.policy.uid,
    )) {
      const older = newest(stop) <= newest(start) ? stop : start;
      older.state = dismissed(older.state);
    }
  }
}

interface Acted {
  intents: PolicyIntent[];
  notices: { by: string; message: string }[];
  decisions: Decision[];
  actions: string[];
}

function act(running: readonly Running[], input: PolicyInput, bind: (e: PolicyEvent | undefined) => Bindings): Acted {
  const { job, now, memory } = input;
  const acted: Acted = {
    intents: [],
    notices: [],
    decisions: memory.decisions ?? [],
    actions: (memory.policy?.actions ?? []).filter((at) => Math.abs(now - Date.parse(at)) < HOUR_MS),
  };
  const note = (r: Running, outcome: DecisionOutcome, reason: string, actionId: string): void => {
    acted.decisions = recordDecision(
      acted.decisions,
      decision(r, { outcome, reason, actionId, inputs: inputsOf(r.rule.condition, bind(r.event)), now }),
    );
  };
  const settle = (r: Running): void => {
    r.state = afterAction(r.state, r.rule.timing, now);
  };

  const wanting = new Map<Wanting, Running>();
  for (const r of running.filter((one) => isDue(one.state))) {
    const candidate: Candidate = candidateOf(r.rule, r.state, bind(r.event));
    if ("wants" in candidate) wanting.set(candidate, r);
    else if (r.rule.action === "Notify") {
      acted.notices.push({ by: r.rule.by, message: candidate.refused });
      note(r, "Applied", candidate.refused, candidate.actionId);
      settle(r);
    } else {
      note(r, candidate.outcome, candidate.refused, candidate.actionId);
      if (candidate.settled) settle(r);
    }
  }

  let winner: Wanting | undefined;
  for (const candidate of arbitrate([...wanting.keys()], job.parallelism)) {
    const r = wanting.get(candidate) as Running;
    const stands = verdictOn(candidate, { winner, running: r, peers: running, input, actions: acted.actions });
    note(r, stands.outcome, stands.reason, candidate.actionId);
    if (stands.settled) settle(r);
    if (stands.outcome !== "Applied") continue;
    winner = candidate;
    if (candidate.scaleTo !== undefined) r.state = { ...r.state, asked: candidate.scaleTo };
    acted.intents.push(candidate.wants);
    acted.actions = [...acted.actions, new Date(now).toISOString()].slice(-REMEMBERED_ACTIONS);
  }
  return acted;
}

interface Bench {
  readonly winner: Wanting | undefined;
  readonly running: Running;
  readonly peers: readonly Running[];
  readonly input: PolicyInput;
  readonly actions: readonly string[];
}

interface Standing {
  readonly outcome: DecisionOutcome;
  readonly reason: string;
  readonly settled: boolean;
}

/** Why this candidate may or may not act now. What is not settled is asked again. */
function verdictOn(candidate: Wanting, { winner, running, peers, input, actions }: Bench): Standing {
  const { rule, state } = running;
  const { job } = input;
  const wait = (reason: string): Standing => ({ outcome: "Suppressed", reason, settled: false });
  if (rule.policy.spec.mode === "DryRun") return { outcome: "DryRun", reason: candidate.wants.reason, settled: true };
  if (winner !== undefined) return { outcome: "Suppressed", reason: beatenBy(winner), settled: !rule.timing.edge };
  const held = heldUp(candidate, running, peers) ?? userChange(candidate, state, job);
  if (held !== undefined) return { outcome: "Suppressed", reason: held, settled: true };
  if (job.operation !== undefined && !mayInterrupt(candidate)) return wait(`operation ${job.operation} is in flight`);
  const limit = rule.policy.spec.limits?.actionsPerHour;
  if (limit !== undefined && actions.length >= limit) return wait(`limit of ${limit} actions an hour is reached`);
  return { outcome: "Applied", reason: candidate.wants.reason, settled: true };
}

/** Of several scale rules the highest wins, also against one that fired earlier and still holds: else they would take turns. */
function heldUp(candidate: Wanting, running: Running, peers: readonly Running[]): string | undefined {
  const { scaleTo } = candidate;
  if (scaleTo === undefined) return undefined;
  const higher = peers.find(
    (p) => p !== running && (p.state.state === "Firing" || p.state.state === "CoolingDown") && targetOf(p) > scaleTo,
  );
  return higher === undefined ? undefined : `${higher.rule.by} holds and wants ${targetOf(higher)}`;
}

const targetOf = ({ rule, state }: Running): number =>
  state.asked ?? (typeof rule.parallelism === "number" ? rule.parallelism : 0);

/** A stop is taken by the lifecycle whatever runs: it finishes or abandons the operation at its point of no return. */
const mayInterrupt = (candidate: Wanting): boolean => candidate.wants.verb === "stop";

/**
 * A person's own change beats a rule until its condition has cleared and fired again: an override by a verb since the
 * firing, or a parallelism that is not what the rule asked for and that no policy put there.
 */
function userChange(
  { scaleTo }: Wanting,
  { firingSince, asked }: RuleState,
  job: PolicyInput["job"],
): string | undefined {
  const override = job.overrides.find((o) => o.field === "parallelism");
  if (scaleTo === undefined || override?.by.startsWith("policy/") === true) return undefined;
  const since = override !== undefined && Date.parse(override.since) > Date.parse(firingSince ?? "");
  const undone = asked !== undefined && asked !== job.parallelism;
  if (!since && !undone) return undefined;
  return `${override?.by ?? "spec"} set the parallelism to ${job.parallelism}; the rule waits until its condition has cleared`;
}

function decision(
  { rule }: Running,
  made: { outcome: DecisionOutcome; reason: string; actionId: string; inputs: string; now: number },
): Decision {
  return {
    at: new Date(made.now).toISOString(),
    policy: rule.policy.name,
    rule: rule.name,
    generation: rule.policy.generation,
    ...(made.inputs === "" ? {} : { inputs: made.inputs }),
    outcome: made.outcome,
    reason: made.reason.slice(0, 1024),
    actionId: made.actionId,
  };
}
