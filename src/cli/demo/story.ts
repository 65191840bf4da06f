import type { JobReport } from "../why.ts";

/** What the demo sees at one moment. */
export interface View {
  readonly job: JobReport | undefined;
  /** Live lag in records; undefined while unknown. */
  readonly lag: number | undefined;
  readonly results: Results;
}

export interface Results {
  readonly rows: number;
  /** Rows that repeat the key and window of an earlier one. */
  readonly repeated: number;
  readonly sample: readonly string[];
}

/** One thing that must happen, and how long it may take. */
export interface Act {
  readonly title: string;
  readonly limitMs: number;
  /** What the demo does itself to make it happen. */
  readonly start?: () => Promise<void>;
  /** What to tell the reader once it happened; undefined while it has not. */
  readonly reached: (view: View) => string | undefined;
}

export interface ActResult {
  readonly title: string;
  readonly ok: boolean;
  readonly ms: number;
  readonly message: string;
}

export interface Stage {
  /** The newest view; resolves again at least a few times a second. */
  next(): Promise<View>;
  now(): number;
  /** Called with every view, to show what changed. */
  show(view: View): void;
  finished(result: ActResult): void;
}

/** Plays the acts in order. An act that fails ends the story: the later ones build on it. */
export async function play(acts: readonly Act[], stage: Stage): Promise<ActResult[]> {
  const results: ActResult[] = [];
  for (const act of acts) {
    const result = await playAct(act, stage);
    results.push(result);
    stage.finished(result);
    if (!result.ok) break;
  }
  return results;
}

async function playAct(act: Act, stage: Stage): Promise<ActResult> {
  const began = stage.now();
  await act.start?.();
  for (;;) {
    const view = await stage.next();
    stage.show(view);
    const ms = stage.now() - began;
    const message = act.reached(view);
    if (message !== undefined) return { title: act.title, ok: true, ms, message };
    if (failed(view) || ms > act.limitMs) return { title: act.title, ok: false, ms, message: whyNot(view, act) };
  }
}

const failed = ({ job }: View): boolean => job?.status?.state === "FAILED";

function whyNot({ job }: View, act: Act): string {
  const status = job?.status;
  const reasons = (status?.conditions ?? []).filter((c) => c.type === "Ready" || c.type === "Stalled");
  const said = reasons.map((c) => `${c.type}=${c.status} ${c.reason}: ${c.message}`).join("; ");
  const failure = status?.failure === undefined ? "" : `; failure: ${status.failure.message}`;
  return `not within ${act.limitMs / 1000} s; the job is ${status?.state ?? "not seen yet"}; ${said}${failure}`;
}
