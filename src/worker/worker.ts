import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import type { StartDocument, WorkerEnvironment } from "../api/worker-protocol.ts";
import type { Clock } from "../clock.ts";
import type { ConnectorRegistry } from "../engine/connectors/registry.ts";
import type { Plan } from "../engine/plan.ts";
import type { Program, ProgramOptions } from "../engine/program.ts";
import { startSlot, type RunningSlot, type StopMode } from "../engine/runtime/slot.ts";
import { storageOpener, type SlotListener } from "../engine/runtime/slot-options.ts";
import { messageOf } from "../errors.ts";
import { authorization } from "./authorization.ts";
import { controlRoutes, notRunning } from "./calls.ts";
import { failureOf, newCondition, statusOf, type Condition } from "./condition.ts";
import { controlServer, type ControlServer } from "./control-server.ts";
import { discard, discardOnly } from "./discard.ts";
import { readDocuments } from "./documents.ts";
import { eventStream, type EventStream } from "./events.ts";
import { exposition, workerLabels } from "./exposition.ts";
import { importModules } from "./modules.ts";
import type { Log } from "./log.ts";
import { stateFolder } from "./state-folder.ts";
import { stateMark, type StateMark } from "./state-mark.ts";
import { podFiles, type PodFiles } from "./pod-files.ts";

const METRICS_MS = 2000;
/** The first figures come early: whoever waits for a start looks at them. */
const FIRST_METRICS_MS = 250;
/** Left of the grace period for closing after the last checkpoint; of a short one, a half. */
const CLOSING_MS = 2000;

/** What is being written is given up in no more than this. */
const GIVING_UP_MS = 5_000;

/** A worker that has read all of its input stays for so long for whoever has asked it for its part of a savepoint. */
const STAYS_MS = 10_000;
const LOOK_MS = 100;

/** Exit codes that the pod's restart policy (OnFailure) acts on. */
const EXIT_DONE = 0;
const EXIT_FAILED = 1;
/** Killed by SIGTERM without having been told to stop: the container is started again. */
const EXIT_TERMINATED = 143;

export interface WorkerOptions {
  readonly environment: WorkerEnvironment;
  readonly clock: Clock;
  readonly log: Log;
  readonly build: (plan: Plan, options: ProgramOptions) => Program;
  readonly connectors: ConnectorRegistry;
}

export interface Worker {
  readonly address: AddressInfo;
  /** The process's exit code, when everything is closed. */
  readonly exit: Promise<number>;
  /** SIGTERM: a last checkpoint inside the grace period, then exit 143; of one that has read all of its input, exit 0. */
  terminate(): void;
}

interface Running {
  readonly options: WorkerOptions;
  readonly plan: Plan;
  readonly start: StartDocument;
  readonly files: PodFiles;
  readonly mark: StateMark;
  readonly condition: Condition;
  readonly events: EventStream;
  readonly abort: AbortController;
  slot: RunningSlot | undefined;
  /** When it was last asked about a savepoint, by the clock that nobody sets. */
  savedAt: number;
  /** Set by the first order to end; decides the exit code. */
  ending: "stop" | "terminate" | undefined;
  /** It has read all of its input: whatever ends it, there is nothing for another container to do. */
  finished: boolean;
  /** Nobody goes on from what this worker leaves. */
  discard: boolean;
}

/** Starts the control API at once and the slot behind it. Rejects only where not even the API can be served. */
export async function startWorker(options: WorkerOptions): Promise<Worker> {
  const { environment, clock } = options;
  const files = podFiles(environment);
  try {
    const { plan, start } = readDocuments(files.resolvePath(environment.WEIR_PLAN_DIR));
    const { WEIR_SLOT: slot, WEIR_ATTEMPT: attempt } = environment;
    const header = { jobUid: start.jobUid, epoch: start.epoch, slot, attempt };
    const events = eventStream(header, clock);
    const condition = newCondition();
    const abort = new AbortController();
    const running: Running = {
      options,
      plan,
      start,
      files,
      mark: stateMark(start, slot, files.resolvePath),
      condition,
      events,
      abort,
      slot: undefined,
      savedAt: Number.NEGATIVE_INFINITY,
      ending: undefined,
      finished: false,
      discard: false,
    };
    const server = await serve(running, header);
    return { address: server.address, exit: run(running, server), terminate: () => terminate(running) };
  } catch (e) {
    files.sayWhy(failureOf(e));
    throw e;
  }
}

function serve(running: Running, header: Parameters<typeof statusOf>[0]): Promise<ControlServer> {
  const { condition, events, files, start, options } = running;
  const labels = workerLabels(start, header.slot);
  const routes = controlRoutes({
    slot: () => {
      if (running.slot === undefined) throw notRunning(condition.phase);
      return running.slot;
    },
    status: () => statusOf(header, { ...condition, phase: phaseOf(running), metrics: metricsOf(running) }),
    ready: () => running.slot !== undefined && condition.failure === null,
    stop: (mode, { drain, discard }) => {
      running.discard ||= discard;
      stop(running, mode, drain);
    },
    saved: () => {
      running.savedAt = options.clock.elapsed();
    },
    events,
    metrics: exposition(labels, condition),
    openStorage: storageOpener({ start, ...files }),
  });
  const { WEIR_POD_IP: host, WEIR_PORT: port, WEIR_TOKEN_SHA256: token } = options.environment;
  return controlServer({ host, port }, routes, authorization(token));
}

function phaseOf({ condition, slot, ending }: Running): Condition["phase"] {
  if (condition.phase === "Running" && ending !== undefined) return "Stopping";
  return condition.phase === "Running" && slot?.paused === true ? "Paused" : condition.phase;
}

/** The figures of the last interval, with the totals of now. */
function metricsOf({ condition, slot }: Running): Condition["metrics"] {
  return slot === undefined ? condition.metrics : { ...condition.metrics, ...slot.totals() };
}

async function run(running: Running, server: ControlServer): Promise<number> {
  const { condition, events, files, options } = running;
  const code = await work(running).catch((e: unknown) => {
    if (running.ending !== undefined && running.slot === undefined) return undefined;
    const failure = failureOf(e);
    condition.phase = "Failed";
    condition.failure = failure;
    options.log.error({ code: failure.code, err: e }, failure.message);
    events.publish({ type: "failed", failure });
    files.sayWhy(failure);
    return EXIT_FAILED;
  });
  if (running.discard) await discard(running);
  await events.close();
  await server.close();
  if (running.ending === "terminate" && !running.finished) return EXIT_TERMINATED;
  return code ?? EXIT_DONE;
}

async function work(running: Running): Promise<number> {
  if (running.start.slots > 0) return await runSlot(running);
  await discardOnly(running, running.abort.signal);
  return EXIT_DONE;
}

async function runSlot(running: Running): Promise<number> {
  const { options, condition, events, files } = running;
  const which = { slot: options.environment.WEIR_SLOT, attempt: options.environment.WEIR_ATTEMPT };
  const slot = await startSlot({
    plan: running.plan,
    start: running.start,
    ...which,
    build: options.build,
    connectors: options.connectors,
    clock: options.clock,
    resolvePath: files.resolvePath,
    secret: files.secret,
    configMap: files.configMap,
    importModule: importModules(options.environment.WEIR_PLAN_DIR, files.resolvePath),
    listener: listenerOf(running),
    stateFolder: stateFolder(running.start, which, files.resolvePath),
    hadState: running.mark.set,
    signal: running.abort.signal,
  });
  running.slot = slot;
  condition.phase = "Running";
  condition.restored = slot.restored;
  options.log.info({ restored: slot.restored }, "started");
  events.publish({ type: "started", restored: slot.restored });
  const measure = (): void => {
    condition.metrics = slot.measure();
    events.publish({ type: "metrics", metrics: condition.metrics });
  };
  const first = setTimeout(measure, FIRST_METRICS_MS);
  const timer = setInterval(measure, METRICS_MS);
  if (running.ending !== undefined) await slot.stop("Cancel", false);
  try {
    const how = await slot.done;
    measure();
    condition.phase = "Finished";
    options.log.info({}, how);
    if (how !== "finished") return EXIT_DONE;
    running.finished = true;
    events.publish({ type: "finished" });
    await saveAsked(running);
    return EXIT_DONE;
  } finally {
    clearTimeout(first);
    clearInterval(timer);
  }
}

/** Its part is of no use to a savepoint before somebody has heard of it, and a savepoint is completed by one of the workers. */
async function saveAsked(running: Running): Promise<void> {
  const { clock } = running.options;
  while (running.ending === undefined && clock.elapsed() - running.savedAt < STAYS_MS) await sleep(LOOK_MS);
}

function listenerOf({ condition, events, options, mark }: Running): SlotListener {
  return {
    restoring: () => {
      condition.phase = "Restoring";
    },
    checkpoint: (report) => {
      if (report.ok) {
        condition.checkpoint = report;
        mark.mark();
      }
      condition.checkpoints[report.ok ? "ok" : "failed"]++;
      if (!report.ok) options.log.warn({ checkpoint: report.id }, `checkpoint failed: ${report.error ?? ""}`);
      events.publish({ type: "checkpoint", checkpoint: report });
    },
    problem: (problem) => {
      if (problem !== undefined && problem.message !== condition.problem?.message) {
        options.log.warn({ code: problem.code }, problem.message);
      }
      condition.problem = problem === undefined ? null : { ...problem, restartable: true };
      events.publish({ type: "problem", problem: condition.problem });
    },
    warning: (message) => options.log.warn({}, message),
    peek: (node, text) => options.log.info({ node }, text),
  };
}

/** An order to stop: exit 0. Told again while it runs, it changes nothing; when it fails, the job goes on and says so. */
function stop(running: Running, mode: StopMode, drain: boolean): void {
  if (running.ending !== undefined) return;
  running.ending = "stop";
  if (running.slot === undefined) {
    running.abort.abort();
    return;
  }
  running.slot.stop(mode, drain).catch((e: unknown) => {
    running.ending = undefined;
    const { clock } = running.options;
    listenerOf(running).problem?.({ code: failureOf(e).code, message: messageOf(e), nextTryAt: clock.now() });
  });
}

function terminate(running: Running): void {
  if (running.ending !== undefined) return;
  running.ending = "terminate";
  const { slot, options } = running;
  if (slot === undefined) {
    running.abort.abort();
    return;
  }
  const grace = options.environment.WEIR_GRACE_SECONDS * 1000;
  const closing = Math.min(CLOSING_MS, grace / 2);
  const givenUpAt = options.clock.elapsed() + grace - closing / 2;
  const goesOn = "the next worker goes on from the checkpoint before it";
  let isLate = false;
  const late = setTimeout(() => {
    isLate = true;
    const why = slot.waitsFor === undefined ? "" : `: it was waiting for ${slot.waitsFor}`;
    options.log.warn({}, `no last checkpoint in the grace period of ${grace / 1000} s${why}; ${goesOn}`);
    void slot.stop("Cancel", false, closing / 2);
  }, grace - closing);
  slot
    .stop("Checkpoint", false)
    .catch(async (e: unknown) => {
      clearTimeout(late);
      if (!isLate) options.log.warn({}, `no last checkpoint: ${messageOf(e)}; ${goesOn}`);
      const left = Math.max(0, givenUpAt - options.clock.elapsed());
      await slot.stop("Cancel", false, Math.min(GIVING_UP_MS, left));
    })
    .finally(() => clearTimeout(late));
}
