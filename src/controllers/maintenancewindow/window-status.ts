import type { MaintenanceWindowSpec, MaintenanceWindowStatus } from "../../api/maintenance-window.schema.ts";
import { observed } from "../../api/observed.ts";
import { summary } from "../../api/problem.ts";
import { catalogue } from "../../errors.ts";
import { compileRules } from "../../policy/compiled-rule.ts";
import { matchesType } from "../../policy/event-types.ts";
import { MAINTENANCE_START } from "../../policy/input.ts";
import type { PolicyView } from "../../policy/input.ts";
import { nextEdge, windowState } from "../../policy/schedule-window.ts";
import type { WindowState } from "../../policy/schedule-window.ts";
import { acceptedWindow, usable } from "../accepted-spec.ts";
import type { WindowObject } from "../caches.ts";
import type { ConditionInput } from "../status-writer.ts";
import { conditionsFor } from "../status-writer.ts";
import type { JobObject } from "../weir-resources.ts";

export interface WindowFacts {
  readonly window: WindowObject;
  readonly jobs: readonly { readonly job: JobObject; readonly policies: readonly PolicyView[] }[];
  readonly now: number;
}

export interface WindowView {
  readonly status: MaintenanceWindowStatus;
  /** When it opens or closes next. */
  readonly nextEdgeAt: number | undefined;
}

const NAMED_JOBS = 100;

export function windowStatus({ window, jobs, now }: WindowFacts): WindowView {
  const accepted = acceptedWindow(window);
  const spec = usable(accepted);
  const base = observed(window.metadata);
  if (spec === undefined) {
    const first = accepted.problems[0];
    const trouble = { reason: catalogue[first?.code ?? "SPEC_INVALID"].reason, message: summary(accepted.problems) };
    const conditions: ConditionInput[] = [
      { type: "Ready", status: "False", ...trouble },
      { type: "Stalled", status: "True", ...trouble },
    ];
    return {
      status: { ...base, active: false, conditions: conditionsFor(window, conditions, now) },
      nextEdgeAt: undefined,
    };
  }
  const state = windowState(spec, now);
  const conditions = [readyOf(spec, state), consumerOf(jobs)];
  return {
    status: {
      ...base,
      ...timesOf(state, window, now),
      jobs: namesOf(jobs),
      conditions: conditionsFor(window, conditions, now),
    },
    nextEdgeAt: nextEdge(state),
  };
}

function namesOf(jobs: WindowFacts["jobs"]): string[] {
  return jobs
    .map(({ job }) => job.metadata.name)
    .toSorted()
    .slice(0, NAMED_JOBS);
}

function timesOf(state: WindowState, window: WindowObject, now: number): MaintenanceWindowStatus {
  const text = (ms: number): string => new Date(ms).toISOString();
  const before = window.status;
  const ended = before?.active === true && !state.active ? text(now) : before?.endedAt;
  return {
    active: state.active,
    ...(state.startedAt === undefined ? {} : { startedAt: text(state.startedAt) }),
    ...(ended === undefined ? {} : { endedAt: ended }),
    ...(state.nextStart === undefined ? {} : { nextStart: text(state.nextStart) }),
    ...(state.nextEnd === undefined ? {} : { nextEnd: text(state.nextEnd) }),
  };
}

function readyOf(spec: MaintenanceWindowSpec, state: WindowState): ConditionInput {
  const ready = (reason: string, message: string): ConditionInput => ({
    type: "Ready",
    status: "True",
    reason,
    message,
  });
  const at = (ms: number | undefined): string => (ms === undefined ? "never" : new Date(ms).toISOString());
  if (spec.suspend === true) return ready("Suspended", "no window opens while spec.suspend is true");
  if (state.active) return ready("Active", `open until ${at(state.nextEnd)}`);
  return state.nextStart === undefined
    ? ready("Over", "the single window is over")
    : ready("Scheduled", `opens at ${at(state.nextStart)}`);
}

const NO_JOB =
  "no job of this namespace is selected by spec.jobs or spec.selector: nothing will happen; correct it, or apply the job";
const NO_POLICY =
  "no selected job has a policy that reacts to maintenance.window.start: nothing will happen; add a ControlPolicy with stopWhen";

/** A window does nothing by itself: a policy must react to it. */
function consumerOf(jobs: WindowFacts["jobs"]): ConditionInput {
  const reacts = jobs.some(({ policies }) =>
    compileRules(policies).rules.some((rule) => rule.types !== "any" && matchesType(rule.types, MAINTENANCE_START)),
  );
  return reacts
    ? {
        type: "NoConsumer",
        status: "False",
        reason: "SomebodyReacts",
        message: "a selected job has a policy that reacts to the window",
      }
    : {
        type: "NoConsumer",
        status: "True",
        reason: "NobodyReacts",
        message: jobs.length === 0 ? NO_JOB : NO_POLICY,
      };
}
