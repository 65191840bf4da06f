import { isDeepStrictEqual } from "node:util";
import { FIELD_MANAGER } from "../../api/group.ts";
import { observed } from "../../api/observed.ts";
import type { JobState, StreamingJobStatus } from "../../api/streaming-job-status.schema.ts";
import type { Clock } from "../../clock.ts";
import { WeirError, isWeirError, messageOf } from "../../errors.ts";
import type { EventRecorder } from "../../kube/event-recorder.ts";
import { isNotFound } from "../../kube/kube-error.ts";
import type { Verdict } from "../../kube/work-queue.ts";
import { decide } from "../../lifecycle/decide.ts";
import type { LifecycleDecision } from "../../lifecycle/decision.ts";
import type { Caches } from "../caches.ts";
import { conditionsFor, writeStatus } from "../status-writer.ts";
import type { JobObject } from "../weir-resources.ts";
import { streamingJobs } from "../weir-resources.ts";
import type { Actor, Written } from "./act.ts";
import { perform } from "./act.ts";
import type { Gathered, Gatherer } from "./gather.ts";

export interface JobReconciler extends Actor {
  readonly caches: Caches;
  readonly timers: Clock;
  readonly gatherer: Gatherer;
  readonly recorder: EventRecorder;
  /** Resolves when the caches have seen these writes: the next decision is not made on an older view. */
  readonly settled: (written: readonly NonNullable<Written>[]) => Promise<void>;
  /** Called after each write that moved the job to another state. */
  readonly changed: (change: StateChange) => void;
}

/** One step of a job's life, as the log tells it. */
export interface StateChange {
  readonly namespace: string | undefined;
  readonly name: string;
  readonly uid: string | undefined;
  readonly generation: number | undefined;
  readonly epoch: number;
  readonly from: JobState | undefined;
  readonly to: JobState;
  /** Of the condition Ready. */
  readonly reason: string | undefined;
}

/** gather → decide → report → act. The status is written first: it announces what the actions then do. */
export async function reconcileJob(r: JobReconciler, key: string): Promise<Verdict> {
  let made: { gathered: Gathered; decision: LifecycleDecision } | undefined;
  try {
    const gathered = await r.gatherer.gather(key);
    made = gathered === undefined ? undefined : { gathered, decision: decide(gathered.input) };
  } catch (e) {
    await confess(r, key, e);
    throw e;
  }
  return made === undefined ? undefined : carryOut(r, made.gathered, made.decision);
}

/** A bug or an unreadable status is shown to the user as well: nothing of the rest is touched, and nothing is guessed. */
async function confess(r: JobReconciler, key: string, error: unknown): Promise<void> {
  const job = r.caches.jobs.get(key);
  if (job === undefined) return;
  const why = isWeirError(error)
    ? error
    : new WeirError("INTERNAL", `the status cannot be acted on: ${messageOf(error)}`);
  const trouble = { reason: why.reason, message: why.message.slice(0, 2000) };
  const fresh = conditionsFor(
    job,
    [
      { type: "Ready", status: "False", ...trouble },
      { type: "Stalled", status: "True", ...trouble },
    ],
    r.timers.now(),
  );
  const others = (job.status?.conditions ?? []).filter((c) => c.type !== "Ready" && c.type !== "Stalled");
  const status = { ...job.status, ...observed(job.metadata), conditions: [...others, ...fresh] };
  await writeStatus<StreamingJobStatus>(r, streamingJobs, job, status);
}

async function carryOut(r: JobReconciler, gathered: Gathered, decision: LifecycleDecision): Promise<Verdict> {
  const { scene } = gathered;
  const written: NonNullable<Written>[] = [];
  const job = await report(r, scene.job, decision);
  if (job === undefined) return undefined;
  if (job !== scene.job) written.push({ resource: streamingJobs, object: job });
  let failure: unknown;
  try {
    for (const action of decision.actions) {
      const result = await perform(r, { ...scene, job }, action);
      if (result !== undefined) written.push(result);
    }
  } catch (e) {
    failure = e;
  }
  await r.settled(written);
  gathered.seen(written);
  if (failure !== undefined) return afterFailure(gathered, failure);
  if (gathered.hinder(undefined) || gathered.sealedNow()) return { requeueAfterMs: 0 };
  const { requeueAfterMs } = decision;
  return requeueAfterMs === undefined ? undefined : { requeueAfterMs: Math.min(requeueAfterMs, LONGEST_WAIT_MS) };
}

/** setTimeout counts in 31 bits of milliseconds. */
const LONGEST_WAIT_MS = 86_400_000;

const WORKER_RETRY_MS = 1_000;
/** A refusal such as a quota is lifted by somebody else; nobody tells when. */
const REFUSED_RETRY_MS = 15_000;

function afterFailure(gathered: Gathered, failure: unknown): Verdict {
  if (!isWeirError(failure)) throw failure;
  if (failure.code === "WORKER_UNREACHABLE") return { requeueAfterMs: WORKER_RETRY_MS };
  if (failure.code === "API_CONFLICT" || failure.code === "API_UNAVAILABLE") throw failure;
  const isNews = gathered.hinder({ reason: failure.reason, message: failure.message.slice(0, 2000) });
  return { requeueAfterMs: isNews ? 0 : REFUSED_RETRY_MS };
}

/** One write of the status, refused by the server when somebody was faster; `undefined` when the job is gone. */
async function report(r: JobReconciler, job: JobObject, decision: LifecycleDecision): Promise<JobObject | undefined> {
  const status = JSON.parse(JSON.stringify(decision.status)) as LifecycleDecision["status"];
  if (isDeepStrictEqual(status, job.status)) return job;
  try {
    const updated = await r.client.updateStatus<JobObject>(
      streamingJobs,
      { ...job, status },
      { fieldManager: FIELD_MANAGER.status },
    );
    const change = stateChange(job, updated);
    if (change !== undefined) r.changed(change);
    for (const { type, reason, message } of decision.events) {
      r.recorder.record(job, { type, reason, action: reason, note: message });
    }
    return updated;
  } catch (e) {
    if (isNotFound(e)) return undefined;
    throw e;
  }
}

function stateChange({ status: before }: JobObject, { metadata, status }: JobObject): StateChange | undefined {
  const { state, epoch = 0, conditions = [] } = status ?? {};
  if (state === undefined || state === before?.state) return undefined;
  const { namespace, name, uid, generation } = metadata;
  const ready = conditions.find((c) => c.type === "Ready");
  const step = { from: before?.state, to: state, reason: ready?.reason };
  return { namespace, name, uid, generation, epoch, ...step };
}
