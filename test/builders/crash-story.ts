import { setTimeout as delay } from "node:timers/promises";
import type { JobObject } from "../../src/controllers/weir-resources.ts";
import type { WorkerInterceptor } from "../../src/controllers/workers/worker-client.ts";
import type { Interceptor, KubeCall } from "../../src/kube/call.ts";
import { isWrite } from "../../src/kube/call.ts";
import type { CrashingCalls, CrashPoint } from "../../src/local/faults/crash-point.ts";
import { crashingCalls } from "../../src/local/faults/crash-point.ts";
import type { OperatorOptions } from "../../src/main/operator.ts";
import type { Ground } from "../servers/weir-ground.ts";
import type { Facts } from "./job-facts.ts";
import { JOB, jobFacts } from "./job-facts.ts";

/** A story of one job: what comes before, and the part in which the operator may crash. */
export interface Scenario {
  readonly name: string;
  readonly before: readonly Act[];
  readonly act: Act;
  /** Stands between the operators and the workers of one play. */
  readonly between?: (ground: Ground, namespace: string) => WorkerInterceptor;
  /** Looks at what the job has written, once its story has come to its end: throws where that is wrong. */
  readonly judge?: (ground: Ground, namespace: string) => Promise<void>;
}

export interface Act {
  /** What the user does. */
  do(ground: Ground, namespace: string): Promise<unknown>;
  /** It has arrived, as far as a status can say so. */
  arrived(job: JobObject | undefined): boolean;
}

export interface Told {
  readonly facts: Facts;
  /** Kinds of the writes that the first operator tried, in order. */
  readonly writes: readonly string[];
  readonly crashed: boolean;
}

/** Nothing changes for so long: the story is at rest. The reference is looked at longer. */
const REST_MS = 400;
const REFERENCE_REST_MS = 1_500;
/** A story that equals the reference must still equal it after this. */
const HOLD_MS = 400;

/** Plays it without a crash, until it rests. */
export async function playReference(ground: Ground, scenario: Scenario, namespace: string): Promise<Told> {
  const stage = await setStage(ground, scenario, namespace);
  const { seam, facts } = stage;
  const calls = seam.arm(undefined, () => {});
  await scenario.act.do(ground, namespace);
  await rest(ground, scenario.act, { namespace, facts, ms: REFERENCE_REST_MS });
  const told = { facts: facts(), writes: [...seam.kinds].slice(0, calls.writes.length), crashed: false };
  await end(ground, scenario, { namespace, stage });
  return told;
}

/** Plays it with a crash at `point` and a new operator after it, until it equals the reference or cannot any more. */
export async function playCrash(
  ground: Ground,
  scenario: Scenario,
  at: { namespace: string; point: CrashPoint; reference: Told },
): Promise<Told> {
  const { namespace, point, reference } = at;
  const stage = await setStage(ground, scenario, namespace);
  const { seam, facts } = stage;
  let successor: Promise<void> | undefined;
  const calls = seam.arm(point, () => {
    successor = stage.succeed();
  });
  await scenario.act.do(ground, namespace);
  const wanted = JSON.stringify(reference.facts);
  const equals = (): boolean => JSON.stringify(facts()) === wanted;
  const untilEqual = (): Promise<void> => ground.until("equal", equals, facts, 120_000).catch(() => undefined);
  await untilEqual();
  await delay(HOLD_MS);
  // A worker that a busy machine made wait comes back; what was done once too often stays.
  await untilEqual();
  await successor;
  const told = { facts: facts(), writes: seam.kinds, crashed: calls.hasCrashed };
  await end(ground, scenario, { namespace, stage });
  return told;
}

async function end(
  ground: Ground,
  scenario: Scenario,
  { namespace, stage }: { namespace: string; stage: Stage },
): Promise<void> {
  try {
    await scenario.judge?.(ground, namespace);
  } finally {
    await stage.strike();
  }
}

interface Stage {
  readonly seam: Seam;
  readonly facts: () => Facts;
  /** The first operator is dead; another takes over. */
  succeed(): Promise<void>;
  /** Ends everything of the story. */
  strike(): Promise<void>;
}

async function setStage(ground: Ground, scenario: Scenario, namespace: string): Promise<Stage> {
  const happenings = await ground.open(namespace);
  const facts = (): Facts => jobFacts(ground, namespace, happenings);
  const beneath = scenario.between?.(ground, namespace) ?? ((_call, next) => next());
  const seam = crashSeam(beneath);
  const operators = [await ground.operator(namespace, seam.options)];
  for (const act of scenario.before) {
    await act.do(ground, namespace);
    await rest(ground, act, { namespace, facts, ms: REST_MS });
  }
  return {
    seam,
    facts,
    succeed: async () => {
      const [dead] = operators;
      operators.push(await ground.operator(namespace, { workerInterceptor: beneath }));
      await dead?.stop();
    },
    strike: async () => {
      await Promise.all(operators.map((operator) => operator.stop()));
      await ground.clear(namespace);
    },
  };
}

async function rest(
  ground: Ground,
  act: Act,
  { namespace, facts, ms }: { namespace: string; facts: () => Facts; ms: number },
): Promise<void> {
  let last = "";
  let since = performance.now();
  const isAtRest = (): boolean => {
    const now = JSON.stringify(facts());
    if (now !== last || !act.arrived(ground.jobs.get(`${namespace}/${JOB}`))) since = performance.now();
    last = now;
    return performance.now() - since > ms;
  };
  await ground.until("at rest", isAtRest, facts, 180_000);
}

interface Seam {
  readonly options: Partial<OperatorOptions>;
  /** Of every counted write since `arm`. */
  readonly kinds: readonly string[];
  arm(point: CrashPoint | undefined, onCrash: () => void): CrashingCalls;
}

/** Counts Kubernetes writes and worker calls together. Events are news, told at best: they are not counted, only cut off. */
function crashSeam(beneath: WorkerInterceptor): Seam {
  let calls = crashingCalls(undefined);
  const kinds: string[] = [];
  const counted = <R>(kind: string, effect: () => Promise<R>): Promise<R> => {
    if (!calls.hasCrashed) kinds.push(kind);
    return calls.around(effect);
  };
  const read = <R>(effect: () => Promise<R>): Promise<R> => (calls.hasCrashed ? calls.around(effect) : effect());
  const interceptor: Interceptor = (request, next) => {
    const isCounted = isWrite(request) && request.call.resource !== "events";
    return isCounted ? counted(kindOf(request.call), () => next(request)) : read(() => next(request));
  };
  const workerInterceptor: WorkerInterceptor = (call, next) => {
    const effect = (): ReturnType<typeof next> => beneath(call, next);
    const kind = `${call.method} ${call.path.replace(/[a-z]+-\d+-\w+/, ":id")}`;
    return call.method === "GET" ? read(effect) : counted(kind, effect);
  };
  return {
    options: { interceptors: [interceptor], workerInterceptor },
    kinds,
    arm: (point, onCrash) => {
      calls = crashingCalls(point, onCrash);
      kinds.length = 0;
      return calls;
    },
  };
}

function kindOf({ verb, resource, subresource }: KubeCall): string {
  return `${verb} ${resource}${subresource === undefined ? "" : `/${subresource}`}`;
}
