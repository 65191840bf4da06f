import type { StartDocument } from "../api/worker-protocol.ts";
import type { Plan } from "../engine/plan.ts";
import { discardExchanges } from "../engine/runtime/discard-exchanges.ts";
import { messageOf, WeirError } from "../errors.ts";
import type { PodFiles } from "./pod-files.ts";
import type { WorkerOptions } from "./worker.ts";

/** Kafka may be out of reach, and who stops a job waits. */
const BESIDE_MS = 5_000;
/** Of a worker that does nothing else: it is started again. */
const ONLY_MS = 15_000;

interface Job {
  readonly options: Pick<WorkerOptions, "environment" | "clock" | "log">;
  readonly plan: Plan;
  readonly start: StartDocument;
  readonly files: PodFiles;
}

/** Behind a slot that has ended. One worker does it for all; what cannot be deleted in time stays, and does nothing. */
export async function discard(job: Job): Promise<void> {
  const { environment, log } = job.options;
  if (environment.WEIR_SLOT !== 0) return;
  try {
    const topics = await discarded(job, AbortSignal.timeout(BESIDE_MS));
    if (topics.length > 0) log.info({ topics }, "deleted the topics between workers");
  } catch (e) {
    log.warn({}, `the topics between workers are left to be deleted by hand: ${messageOf(e)}`);
  }
}

/** A worker without a slot: nothing runs any more, and what workers kept for each other goes. */
export async function discardOnly(job: Job, end: AbortSignal): Promise<void> {
  try {
    const topics = await discarded(job, AbortSignal.any([end, AbortSignal.timeout(ONLY_MS)]));
    job.options.log.info({ topics }, "deleted the topics between workers");
  } catch (e) {
    throw new WeirError("SINK_UNREACHABLE", messageOf(e), { cause: e });
  }
}

function discarded({ plan, start, files, options }: Job, signal: AbortSignal): Promise<readonly string[]> {
  return discardExchanges({ plan, start, ...files, clock: options.clock, signal });
}
