import type { Decision } from "../api/streaming-job-status.schema.ts";
import type { Draft } from "./draft.ts";
import { tell, wakeAt } from "./draft.ts";
import type { LifecycleSpec, PolicyVerdict } from "./input.ts";
import type { Intent } from "./intent.ts";
import { applyIntent } from "./requests.ts";

/** Takes over what the policies decided: their memory, and what they ask for, in the same status write. */
export function takeVerdict(draft: Draft, spec: LifecycleSpec): void {
  const verdict = draft.input.policy;
  if (verdict === undefined) return;
  announce(draft, verdict);
  const { policy, decisions, maintenance } = verdict.memory;
  if (policy !== undefined) draft.status.policy = policy;
  if (decisions !== undefined) draft.status.decisions = decisions;
  if (maintenance !== undefined) draft.status.maintenance = maintenance;
  if (verdict.nextEvaluationAt !== undefined) wakeAt(draft, verdict.nextEvaluationAt);
  for (const intent of verdict.intents) {
    const answer = applyIntent(draft, spec, intent);
    if (answer.outcome === "Refused") refuse(draft, intent, answer.message);
  }
  if (draft.memory.told !== draft.status.state) draft.memory.told = draft.status.state;
}

/** The job cannot do what the policy asked for: the decision says so instead of claiming that it was applied. */
function refuse(draft: Draft, intent: Intent, why: string): void {
  draft.status.decisions = (draft.status.decisions ?? []).map((d): Decision =>
    d.actionId === intent.actionId && d.outcome === "Applied"
      ? { ...d, outcome: "Failed", reason: why.slice(0, 1024) }
      : d,
  );
}

function announce(draft: Draft, { memory, notices }: PolicyVerdict): void {
  const known = new Set((draft.status.decisions ?? []).map(identity));
  for (const decision of memory.decisions ?? []) {
    if (known.has(identity(decision))) continue;
    const who = `${decision.policy ?? "policy"}/${decision.rule}`;
    tell(
      draft,
      decision.outcome === "Failed" ? "Warning" : "Normal",
      `Decision${decision.outcome}`,
      `${who}: ${decision.reason}`,
    );
  }
  for (const { by, message } of notices) tell(draft, "Normal", "Notify", `${by}: ${message}`);
}

const identity = (d: Decision): string => `${d.policy ?? ""}/${d.rule}/${d.actionId ?? d.at}/${d.outcome}/${d.reason}`;
