/**
 * The life of a job as data: what may follow what, and by which steps. The docs and the UI are drawn from these tables.
 * The code that takes the steps is in `operations/`.
 */
export const STATES = ["CREATED", "RUNNING", "SCALING", "STOPPED", "FAILED"] as const;
export type State = (typeof STATES)[number];

/**
 * Steps of each operation, in order. A step is written to status before it is taken, and looks for its own effect
 * before it acts. An operation may skip steps (nothing to save, nothing to end), but never goes back.
 */
export const OPERATIONS = {
  Start: ["ResolveState", "Launch", "AwaitRunning"],
  Stop: ["Savepoint", "AwaitSavepoint", "Terminate", "AwaitGone"],
  Savepoint: ["Trigger", "Await"],
  Scale: ["Savepoint", "AwaitSavepoint", "Terminate", "AwaitGone", "Launch", "AwaitRunning", "Verify"],
  Upgrade: ["Savepoint", "AwaitSavepoint", "Terminate", "AwaitGone", "Launch", "AwaitRunning", "Verify"],
  Restart: ["Savepoint", "AwaitSavepoint", "Terminate", "AwaitGone", "Launch", "AwaitRunning", "Verify"],
  Recover: ["Wait", "Relaunch", "AwaitRunning"],
  Delete: ["Savepoint", "AwaitSavepoint", "Terminate", "AwaitGone", "DeleteTopics"],
} as const satisfies Record<string, readonly string[]>;

export type OperationType = keyof typeof OPERATIONS;
export type Step = (typeof OPERATIONS)[OperationType][number];

/** From this step on an operation is finished rather than abandoned: workers of the old epoch have been told to end. */
export const POINT_OF_NO_RETURN: Readonly<Partial<Record<OperationType, Step>>> = {
  Stop: "Terminate",
  Scale: "Terminate",
  Upgrade: "Terminate",
  Restart: "Terminate",
  Delete: "Terminate",
};

export interface Transition {
  readonly from: readonly State[];
  readonly when: string;
  readonly operation: OperationType | null;
  /** The state while the operation runs. */
  readonly during: State | null;
  readonly to: State;
}

const alive: readonly State[] = ["CREATED", "RUNNING", "SCALING"];

export const TRANSITIONS: readonly Transition[] = [
  { from: ["CREATED"], when: "running wanted", operation: "Start", during: null, to: "RUNNING" },
  {
    from: ["STOPPED", "FAILED"],
    when: "running wanted, with a newer generation, a start verb or a policy action",
    operation: "Start",
    during: "CREATED",
    to: "RUNNING",
  },
  { from: ["RUNNING"], when: "parallelism differs", operation: "Scale", during: "SCALING", to: "RUNNING" },
  {
    from: ["RUNNING"],
    when: "program, image or resources differ",
    operation: "Upgrade",
    during: "RUNNING",
    to: "RUNNING",
  },
  { from: ["RUNNING"], when: "restart asked for", operation: "Restart", during: "RUNNING", to: "RUNNING" },
  { from: alive, when: "stop wanted", operation: "Stop", during: null, to: "STOPPED" },
  { from: ["FAILED"], when: "stop wanted, with a newer generation", operation: null, during: null, to: "STOPPED" },
  { from: ["RUNNING"], when: "savepoint wanted", operation: "Savepoint", during: "RUNNING", to: "RUNNING" },
  { from: ["RUNNING"], when: "worker lost", operation: "Recover", during: "RUNNING", to: "RUNNING" },
  { from: alive, when: "restarts exhausted, or a terminal error", operation: null, during: null, to: "FAILED" },
  { from: ["RUNNING"], when: "bounded input done", operation: null, during: null, to: "STOPPED" },
  {
    from: ["SCALING"],
    when: "target not reached by the deadline",
    operation: "Scale",
    during: "SCALING",
    to: "RUNNING",
  },
  { from: [...STATES], when: "deleted", operation: "Delete", during: null, to: "STOPPED" },
];

/** Every pair that the table allows, through its operations; the property tests hold `decide` to it. */
export function mayFollow(from: State, to: State): boolean {
  if (from === to) return true;
  return TRANSITIONS.some(
    (t) => (t.from.includes(from) && (t.to === to || t.during === to)) || (t.during === from && t.to === to),
  );
}

/** The step after `step`, or undefined when it is the last. */
export function stepAfter(type: OperationType, step: Step): Step | undefined {
  const steps: readonly Step[] = OPERATIONS[type];
  return steps[steps.indexOf(step) + 1];
}

export function pastNoReturn(type: OperationType, step: Step): boolean {
  const border = POINT_OF_NO_RETURN[type];
  const steps: readonly Step[] = OPERATIONS[type];
  return border !== undefined && steps.indexOf(step) >= steps.indexOf(border);
}
