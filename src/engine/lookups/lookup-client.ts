import { messageOf } from "../../errors.ts";
import { backOff, pause } from "../connectors/until-reached.ts";
import type { ConnectorContext } from "../connectors/connector.ts";
import type { PlanLookup } from "../plan.ts";
import { AnswerCache } from "./answer-cache.ts";
import type { Found, LookupBackend } from "./lookup-backend.ts";
import type { LookupAnswer, LookupPort } from "./lookup-port.ts";

/** Records that were answered at once, keys that were asked for, and how long their requests took together. */
export interface LookupFigures {
  readonly hits: number;
  readonly misses: number;
  readonly requests: number;
  readonly seconds: number;
}

/** Asks another system for rows: the side of a lookup that waits. */
export interface LookupClient extends LookupPort {
  /** `wake` is called whenever answers have come. */
  onAnswer(wake: () => void): void;
  figures(): LookupFigures;
  close(): Promise<void>;
}

type Open = { -readonly [K in keyof LookupAnswer]: LookupAnswer[K] };

interface Request {
  readonly keys: readonly string[];
  readonly answers: readonly Open[];
}

/**
 * Keys wait until the records of a turn have all asked, and go out together, as many as the backend takes. A key that is
 * asked for already is not asked for twice. A request is repeated until it is answered, and the job shows why it waits;
 * with `retries`, its records fail when they are used up.
 */
export function lookupClient(plan: PlanLookup, backend: LookupBackend, context: ConnectorContext): LookupClient {
  const closing = new AbortController();
  const signal = AbortSignal.any([context.signal, closing.signal]);
  const ctx = { ...context, signal };
  const cache = plan.cache === null ? undefined : new AnswerCache(plan.cache);
  const underWay = new Map<string, Open>();
  const figures = { hits: 0, misses: 0, requests: 0, seconds: 0 };
  const troubled = new Set<Request>();
  let waiting: string[] = [];
  let running = 0;
  let asked = 0;
  let scheduled = false;
  let wake = (): void => {};

  const ask = (key: string): LookupAnswer => {
    const known = cache?.get(key, ctx.clock.elapsed()) ?? underWay.get(key);
    if (known !== undefined) {
      figures.hits++;
      return known;
    }
    figures.misses++;
    const answer: Open = { state: "asked", rows: [], problem: "" };
    underWay.set(key, answer);
    waiting.push(key);
    if (!scheduled) {
      scheduled = true;
      setImmediate(send);
    }
    return answer;
  };
  const send = (): void => {
    scheduled = false;
    while (waiting.length > 0 && running < backend.parallel && asked < plan.capacity && !signal.aborted) {
      const keys = waiting.slice(0, Math.min(backend.batch, plan.capacity - asked));
      waiting = waiting.slice(keys.length);
      running++;
      asked += keys.length;
      const request = { keys, answers: keys.map((key) => underWay.get(key) as Open) };
      void answered(request).then(() => {
        running--;
        asked -= keys.length;
        wake();
        send();
      }, ignored);
    }
  };
  const answered = async (request: Request): Promise<void> => {
    const found = await untilFound(request);
    const now = ctx.clock.elapsed();
    for (const [i, key] of request.keys.entries()) {
      const answer = request.answers[i] as Open;
      underWay.delete(key);
      Object.assign(answer, answerOf(found[i] ?? { problem: "the answer has no part for this key" }));
      if (answer.state === "found") cache?.put(key, answer, now);
    }
  };
  const untilFound = async (request: Request): Promise<readonly Found[]> => {
    const values = request.keys.map((key): unknown => JSON.parse(key));
    for (let tries = 1; ; tries++) {
      try {
        const found = await timed(values);
        settled(request);
        return found;
      } catch (error) {
        signal.throwIfAborted();
        const problem = `${plan.connector}: ${messageOf(error)}`;
        if (plan.retries !== null && tries > plan.retries) {
          settled(request);
          return request.keys.map(() => ({ problem: `${problem} (after ${tries} tries)` }));
        }
        const wait = backOff(tries);
        troubled.add(request);
        ctx.report({ code: "LOOKUP_UNREACHABLE", message: problem, nextTryAt: ctx.clock.now() + wait });
        await pause(wait, signal);
      }
    }
  };
  /** The job waits no more when none of its requests does. */
  const settled = (request: Request): void => {
    if (troubled.delete(request) && troubled.size === 0) ctx.report(undefined);
  };
  const timed = async (values: readonly unknown[]): Promise<readonly Found[]> => {
    const started = performance.now();
    const limit = AbortSignal.timeout(plan.timeoutMs);
    figures.requests++;
    try {
      return await race(backend.find(values, AbortSignal.any([signal, limit])), limit, plan.timeoutMs);
    } finally {
      figures.seconds += (performance.now() - started) / 1000;
    }
  };
  return {
    ask,
    onAnswer: (fn) => {
      wake = fn;
    },
    figures: () => ({ ...figures }),
    close: async () => {
      closing.abort(new Error("closed"));
      await backend.close();
    },
  };
}

/** A client that is closed leaves its requests; its records are in the last checkpoint. */
const ignored = (): void => undefined;

const answerOf = (found: Found): LookupAnswer =>
  "rows" in found
    ? { state: "found", rows: found.rows, problem: "" }
    : { state: "failed", rows: [], problem: found.problem };

/** A backend that does not heed its signal must not hold up the others. */
async function race<T>(work: Promise<T>, limit: AbortSignal, ms: number): Promise<T> {
  const late = Promise.withResolvers<never>();
  const stop = (): void => late.reject(new Error(`no answer in ${ms} ms`));
  limit.addEventListener("abort", stop, { once: true });
  try {
    return await Promise.race([work, late.promise]);
  } finally {
    limit.removeEventListener("abort", stop);
  }
}
