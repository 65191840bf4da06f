import type { Act, View } from "./story.ts";

/** The side effects of the demo's own hands. */
export interface Hands {
  applyQuickstart(): Promise<void>;
  /** A one-off window that starts and ends close ahead. */
  applyMaintenance(): Promise<void>;
}

export const SCALE_RULE = "scale-on-lag";
const TARGET = 4;

/** The seed's scenario: results, scaling on lag, a stop for maintenance with a savepoint, and the way back from it. */
export function quickstartActs(hands: Hands): Act[] {
  let savepoint: string | undefined;
  let rowsBefore = 0;
  return [
    {
      title: "the job runs and writes its first results",
      limitMs: 60_000,
      start: () => hands.applyQuickstart(),
      reached: ({ results }) => (results.rows > 0 ? `${results.rows} result records so far` : undefined),
    },
    {
      title: `the policy sees the lag and scales the job to ${TARGET}`,
      limitMs: 30_000,
      reached: (view) => (scaled(view) ? decisionText(view) : undefined),
    },
    {
      title: "the lag goes away",
      limitMs: 60_000,
      reached: ({ lag }) => (lag !== undefined && lag <= 10_000 ? `${lag} records left` : undefined),
    },
    {
      title: "a maintenance window stops the job with a savepoint",
      limitMs: 30_000,
      start: () => hands.applyMaintenance(),
      reached: ({ job, results }) => {
        const { state, savepoint: taken } = job?.status ?? {};
        if (state !== "STOPPED" || taken === undefined) return undefined;
        savepoint = taken.uri;
        rowsBefore = results.rows;
        return `savepoint ${taken.uri}`;
      },
    },
    {
      title: "the end of the window resumes it from that savepoint",
      limitMs: 45_000,
      reached: (view) => {
        const { state, lineage } = view.job?.status ?? {};
        const from = lineage?.restoredFrom?.uri;
        return state === "RUNNING" && from === savepoint && from !== undefined ? `restored from ${from}` : undefined;
      },
    },
    {
      title: "results go on, none repeated",
      limitMs: 45_000,
      reached: ({ results }) =>
        results.rows > rowsBefore && results.repeated === 0 ? `${results.rows} result records, 0 repeated` : undefined,
    },
  ];
}

function scaled({ job }: View): boolean {
  const { state, parallelism } = job?.status ?? {};
  return state === "RUNNING" && parallelism?.effective === TARGET && parallelism.ready === TARGET;
}

function decisionText({ job }: View): string {
  const made = job?.status?.decisions?.findLast((d) => d.rule === SCALE_RULE && d.outcome === "Applied");
  return made === undefined ? `${TARGET} workers` : `${made.policy ?? "policy"}/${made.rule}: ${made.reason}`;
}
