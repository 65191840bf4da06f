import { randomUUID } from "node:crypto";
import { createCaches } from "../controllers/caches.ts";
import type { Controller, ErrorLog } from "../controllers/caches.ts";
import { createPolicyController } from "../controllers/controlpolicy/controller.ts";
import { createWindowController } from "../controllers/maintenancewindow/controller.ts";
import { createJobController } from "../controllers/streamingjob/controller.ts";
import type { StateChange } from "../controllers/streamingjob/reconcile.ts";
import { jobScrapes } from "../controllers/streamingjob/job-metrics.ts";
import type { WorkerDefaults } from "../controllers/streamingjob/worker-pod.ts";
import type { TokenKeys } from "../controllers/workers/token.ts";
import type { WorkerInterceptor } from "../controllers/workers/worker-client.ts";
import { createWorkerClient } from "../controllers/workers/worker-client.ts";
import { startProbeServer } from "../http/probe-server.ts";
import { processMetrics } from "../http/process-metrics.ts";
import { prometheusMeter } from "../http/prometheus.ts";
import { registerScraped } from "../http/scraped-metrics.ts";
import type { Interceptor } from "../kube/call.ts";
import { createKubeClient } from "../kube/client.ts";
import type { ApiServer } from "../kube/credentials.ts";
import { createEventRecorder } from "../kube/event-recorder.ts";
import { createLeaderElection } from "../kube/leader-election.ts";
import type { LeaderElection } from "../kube/leader-election.ts";
import type { Timers } from "../kube/timers.ts";
import { systemTimers } from "../kube/timers.ts";
import { createTransport } from "../kube/transport.ts";
import { notLive } from "./liveness.ts";
import { namespaceLog, notReady, refusals } from "./readiness.ts";

/** The operator as a parts list. Tests and `weir local` run it in their own process. */
export interface OperatorOptions {
  readonly server: ApiServer;
  /** Watched namespaces, a list and watch for each; undefined is all, which needs the right to list the whole cluster. */
  readonly namespaces?: readonly string[] | undefined;
  /** Of the pod, in the Lease and in Events. */
  readonly name?: string | undefined;
  /** Image of worker pods. */
  readonly workerImage: string;
  /** Claim for /var/lib/weir of workers that mount nothing there. */
  readonly stateClaim?: string | undefined;
  /** For the pods of jobs that say nothing of it themselves. */
  readonly workerDefaults?: WorkerDefaults | undefined;
  /** Times and counts; what is left out has the default of its part. */
  readonly tuning?: Partial<Tuning> | undefined;
  /** Worker tokens are made from the first; the others are those of workers from before a change of the key. */
  readonly tokenKeys: TokenKeys;
  /** Where the Lease is; undefined leads at once, for one process only. */
  readonly lease?: { readonly namespace: string; readonly name: string } | undefined;
  /** Probes and metrics; undefined serves none. Port 0 takes a free one. */
  readonly probes?: { readonly host: string; readonly port: number } | undefined;
  /** Seams around every Kubernetes call and every worker call. */
  readonly interceptors?: readonly Interceptor[] | undefined;
  readonly workerInterceptor?: WorkerInterceptor | undefined;
  readonly timers?: Timers | undefined;
  readonly log?: OperatorLog | undefined;
}

export interface Tuning {
  readonly leaseDurationMs: number;
  readonly renewDeadlineMs: number;
  readonly retryMs: number;
  readonly resyncMs: number;
  /** Of a call of the API server. */
  readonly timeoutMs: number;
  readonly workerTimeoutMs: number;
  /** After this long without a word a worker does not answer. */
  readonly silenceMs: number;
  /** A pod that should have been gone for this long is lost. */
  readonly lostAfterMs: number;
  /** Jobs that are reconciled at the same time. */
  readonly concurrency: number;
}

/** `fields` say of which object: {controller, namespace, name, uid, generation, epoch, …}. */
export type OperatorLog = (
  level: "info" | "warn" | "error",
  message: string,
  error?: unknown,
  fields?: Readonly<Record<string, unknown>>,
) => void;

export interface RunningOperator {
  readonly probePort: number | undefined;
  /** How it ended: "Lost" means that another process may lead, and this one must exit. */
  readonly ended: Promise<"Released" | "Lost">;
  /** Resolves when the caches are warm and it leads. */
  readonly leading: Promise<void>;
  stop(): Promise<void>;
}

export async function startOperator(options: OperatorOptions): Promise<RunningOperator> {
  const { server, namespaces, timers = systemTimers, log = () => {} } = options;
  const onError: ErrorLog = (what, error, fields) => log("warn", what, error, fields);
  const meter = prometheusMeter();
  const stopping = new AbortController();
  // As client-go does: a container that is started again in the same pod is another process.
  const identity = `${options.name ?? "weir"}_${randomUUID()}`;
  const isLeading = Promise.withResolvers<void>();
  let term = 0;
  let hasTerm = false;

  const { tuning = {} } = options;
  const calls = { server, meter, timers, userAgent: "weir-operator", ...picked(tuning, ["timeoutMs"]) };

  const leaseTransport = createTransport(calls);
  const election = options.lease === undefined ? undefined : electionOf(options.lease);
  const fence = election === undefined ? [] : [election.fenceWrites];
  const transport = createTransport({ ...calls, interceptors: [...(options.interceptors ?? []), ...fence] });
  const client = createKubeClient(transport);
  const recorder = createEventRecorder({
    client,
    controller: "weir.dev/operator",
    instance: identity,
    timers,
    onError: (e) => onError("event", e),
  });
  const workers = createWorkerClient({
    term: () => term,
    intercept: options.workerInterceptor,
    timeoutMs: tuning.workerTimeoutMs,
  });
  const common = { client, timers, meter, onError };
  const caches = createCaches({ ...common, namespaces, resyncMs: tuning.resyncMs, onNamespace: namespaceLog(log) });
  const context = { ...common, recorder, caches };
  const { tokenKeys, workerImage: image, stateClaim = "weir-state", workerDefaults } = options;
  const jobController = createJobController({
    ...context,
    workers,
    tokenKeys,
    image,
    stateClaim,
    workerDefaults,
    onState: stateLog(log),
    ...picked(tuning, ["concurrency", "silenceMs", "lostAfterMs"]),
  });
  // Two processes that say the same of a job would be counted twice: only the leader does.
  const scraped = [...jobScrapes(() => (hasTerm ? jobController.readings() : [])), ...processMetrics];
  for (const metric of scraped) registerScraped(meter.registry, metric);
  const controllers = [jobController, createPolicyController(context), createWindowController(context)];

  const reflecting = caches.run(stopping.signal);
  const isWarm = caches.decided(stopping.signal);
  isWarm.catch(() => undefined); // a stop before the first list; `lead` sees it

  const probes =
    options.probes === undefined
      ? undefined
      : await startProbeServer({
          ...options.probes,
          live: () =>
            notLive({ now: timers.elapsed(), watches: caches.slowest, queues: controllers.flatMap(longestRunOf) }),
          ready: () => notReady(caches.namespaces),
          remark: () => refusals(caches.namespaces),
          metrics: meter.registry,
        });

  const lead = async (leaderTerm: number, signal: AbortSignal): Promise<void> => {
    await isWarm;
    term = leaderTerm;
    hasTerm = true;
    isLeading.resolve();
    log("info", `leading, term ${leaderTerm}`);
    await Promise.all(controllers.map((c) => c.run(signal)));
  };

  function electionOf(lease: { namespace: string; name: string }): LeaderElection {
    return createLeaderElection({
      client: createKubeClient(leaseTransport),
      lease,
      identity,
      lead: (leaderTerm, signal) => lead(leaderTerm, signal),
      ...picked(tuning, ["leaseDurationMs", "renewDeadlineMs", "retryMs"]),
      meter,
      timers,
      onError: (e) => onError("leader election", e),
    });
  }

  const end = async (): Promise<void> => {
    stopping.abort();
    if (!hasTerm) isLeading.resolve();
    await reflecting;
    await recorder.flush();
    await Promise.all([transport.close(), leaseTransport.close(), workers.close(), probes?.close()]);
  };
  const work = async (): Promise<"Released" | "Lost"> => {
    try {
      if (election !== undefined) return await election.run(stopping.signal);
      // Who leads without a lease says so, too: an alert must tell that from nobody.
      meter.gauge("leader", { lease: "" }, () => Number(hasTerm));
      await lead(timers.now(), stopping.signal);
      return "Released";
    } catch (e) {
      if (stopping.signal.aborted) return "Released";
      throw e;
    } finally {
      await end();
    }
  };
  const ended = work();
  ended.catch((e: unknown) => log("error", "the operator ended", e));

  return {
    probePort: probes?.port,
    ended,
    leading: isLeading.promise,
    stop: async () => {
      stopping.abort();
      await ended.catch(() => undefined);
    },
  };
}

/** One line for each step of a job's life. */
function stateLog(log: OperatorLog): (change: StateChange) => void {
  return ({ from = "new", ...change }) =>
    log("info", `${from} → ${change.to}`, undefined, { controller: "streamingjob", ...change, from });
}

function longestRunOf({ queue }: Controller): { key: string; since: number }[] {
  const { name, longestRun } = queue;
  return longestRun === undefined ? [] : [{ ...longestRun, key: `${name} ${longestRun.key}` }];
}

/** What is left out stays out, so that the part's own default holds. */
function picked<K extends keyof Tuning>(tuning: Partial<Tuning>, names: readonly K[]): Partial<Pick<Tuning, K>> {
  const present = names.flatMap((name) => (tuning[name] === undefined ? [] : [[name, tuning[name]] as const]));
  return Object.fromEntries(present) as Partial<Pick<Tuning, K>>;
}
