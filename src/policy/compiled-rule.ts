import { type PolicyAction, type PolicyRule, actionOf } from "../api/control-policy.schema.ts";
import { parseDuration } from "../api/duration.ts";
import { isWeirError } from "../errors.ts";
import type { Expression } from "../expression/expression.ts";
import { parseExpression } from "../expression/parse.ts";
import { type EventTypes, eventTypes } from "./event-types.ts";
import type { PolicyProblem, PolicyView } from "./input.ts";
import type { RuleTiming } from "./rule-machine.ts";

/** A rule ready to be evaluated; `stopWhen` and `restartWhen` are rules of those names. */
export interface CompiledRule {
  readonly policy: PolicyView;
  readonly name: string;
  readonly action: PolicyAction;
  readonly condition: Expression;
  readonly clear: Expression | undefined;
  readonly types: EventTypes;
  readonly timing: RuleTiming;
  readonly onMissingData: "Hold" | "Fire" | "Clear";
  /** Wanted parallelism of a Scale rule: a number, or CEL over `job`. */
  readonly parallelism: number | Expression | undefined;
  readonly from: "LatestSavepoint" | "LatestCheckpoint";
  /** Only for a job that this policy stopped. */
  readonly onlyOwnStop: boolean;
  readonly by: string;
}

export const STOP_WHEN = "stopWhen";
export const RESTART_WHEN = "restartWhen";
/** What `condition.ts` binds; a misspelt field is refused instead of being unknown for ever. */
const VARIABLES = {
  event: { type: "string", source: "string", id: "string", time: "timestamp", payload: "json" },
  job: {
    name: "string",
    namespace: "string",
    labels: "json",
    state: "string",
    parallelism: "int",
    maxParallelism: "int",
    desiredState: "string",
    "maintenance.active": "bool",
  },
} as const;
const condition = (text: string): Expression => parseExpression(text, { variables: VARIABLES, result: "bool" });

/** Compiles what can be; a rule that cannot becomes a problem and does not stop the others. */
export function compileRules(policies: readonly PolicyView[]): CompiledRules {
  const each = policies.map(compiledOnce);
  return { rules: each.flatMap((c) => c.rules), problems: each.flatMap((c) => c.problems) };
}

export interface CompiledRules {
  readonly rules: readonly CompiledRule[];
  readonly problems: readonly PolicyProblem[];
}

interface Compiled extends CompiledRules {
  readonly policy: PolicyView;
}

/** Rules are evaluated with every event of every job, and parsed once: a spec never changes, it is replaced by another. */
const compiled = new WeakMap<PolicyView["spec"], Compiled>();

function compiledOnce(policy: PolicyView): Compiled {
  const known = compiled.get(policy.spec);
  if (known !== undefined && isSame(known.policy, policy)) return known;
  const fresh = compile(policy);
  compiled.set(policy.spec, fresh);
  return fresh;
}

const isSame = (a: PolicyView, b: PolicyView): boolean =>
  a.uid === b.uid && a.generation === b.generation && a.name === b.name;

function compile(policy: PolicyView): Compiled {
  const rules: CompiledRule[] = [];
  const problems: PolicyProblem[] = [];
  for (const [name, build] of builders(policy)) {
    try {
      rules.push(build());
    } catch (e) {
      problems.push({ policy: policy.name, rule: name, ...problemOf(e, name) });
    }
  }
  return { policy, rules, problems };
}

function problemOf(e: unknown, rule: string): Omit<PolicyProblem, "policy" | "rule"> {
  if (!isWeirError(e) || (e.code !== "EXPRESSION_INVALID" && e.code !== "EXPRESSION_OVER_BUDGET")) throw e;
  const { text, offset = 0, message } = e.place ?? { message: e.message };
  return {
    code: e.code,
    message: `rule "${rule}": ${e.message}`,
    ...(text === undefined ? {} : { expression: { text, offset, message } }),
  };
}

type Builder = readonly [name: string, build: () => CompiledRule];

function builders(policy: PolicyView): Builder[] {
  const { rules = [], stopWhen, restartWhen } = policy.spec;
  const edges: [string, string | undefined, PolicyAction][] = [
    [STOP_WHEN, stopWhen, "Stop"],
    [RESTART_WHEN, restartWhen, "Start"],
  ];
  return [
    ...rules.map((rule): Builder => [rule.name, () => compileRule(policy, rule)]),
    ...edges.flatMap(([name, condition, action]): Builder[] =>
      condition === undefined ? [] : [[name, () => compileRule(policy, { name, condition, action })]],
    ),
  ];
}

function compileRule(policy: PolicyView, rule: PolicyRule): CompiledRule {
  const parsed = condition(rule.condition);
  const types = eventTypes(parsed.ast);
  const action = actionOf(rule.action);
  return {
    policy,
    name: rule.name,
    action,
    condition: parsed,
    clear: rule.clearCondition === undefined ? undefined : condition(rule.clearCondition),
    types,
    timing: timingOf(rule, types),
    onMissingData: rule.onMissingData ?? "Hold",
    parallelism: action === "Scale" ? wantedParallelism(rule.params?.["parallelism"]) : undefined,
    from: rule.params?.["from"] === "LatestCheckpoint" ? "LatestCheckpoint" : "LatestSavepoint",
    onlyOwnStop: action === "Start",
    by: `policy/${policy.name}/${rule.name}`,
  };
}

function timingOf(rule: PolicyRule, types: EventTypes): RuleTiming {
  return {
    forMs: parseDuration(rule.for ?? "0"),
    cooldownMs: parseDuration(rule.cooldown ?? "0"),
    edge: types !== "any" && !types.has("metrics"),
  };
}

function wantedParallelism(written: string | number | undefined): number | Expression | undefined {
  if (written === undefined || typeof written === "number") return written;
  return /^\s*\d+\s*$/.test(written) ? Number(written) : parseExpression(written, { variables: VARIABLES });
}
