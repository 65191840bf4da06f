import type { KubeClient } from "./client.ts";
import { isNotFound } from "./kube-error.ts";
import { microTime } from "./leader-election.ts";
import type { KubeObject } from "./resource.ts";
import { events } from "./resource.ts";
import type { Timers } from "./timers.ts";
import { systemTimers } from "./timers.ts";

export interface EventInput {
  readonly type: "Normal" | "Warning";
  /** CamelCase; why it happened. */
  readonly reason: string;
  /** CamelCase; what was done or tried. */
  readonly action: string;
  /** For people. The API allows 1,024 bytes; the rest is cut. */
  readonly note: string;
  readonly related?: KubeObject;
}

export interface EventRecorder {
  /** Never throws and never waits: an event that cannot be written is dropped. */
  record(regarding: KubeObject, event: EventInput): void;
  /** Resolves when everything recorded so far is written or dropped. */
  flush(): Promise<void>;
}

export interface EventRecorderOptions {
  readonly client: KubeClient;
  /** As in `weir.dev/operator`. */
  readonly controller: string;
  /** This process. */
  readonly instance: string;
  readonly onError?: (error: unknown) => void;
  readonly timers?: Timers;
}

/** events.k8s.io/v1 */
interface Event extends KubeObject {
  eventTime: string;
  reportingController: string;
  reportingInstance: string;
  action: string;
  reason: string;
  regarding: object;
  related?: object;
  note: string;
  type: string;
  series?: { count: number; lastObservedTime: string };
}

/** The same event again within this time is one more of a series (client-go: 6 minutes). */
const SERIES_GAP_MS = 360_000;
/** A series is written when it begins and then at most this often. */
const SERIES_WRITE_MS = 60_000;
/** A burst and a refill for each object, so that a flapping one cannot fill etcd (client-go's spam filter). */
const BURST = 25;
const REFILL_MS = 300_000;
/** Series and budgets kept; the oldest are forgotten first. */
const MAX_ENTRIES = 4_096;

interface Series {
  readonly event: Event;
  count: number;
  lastAt: number;
  writtenAt: number;
}

export function createEventRecorder(options: EventRecorderOptions): EventRecorder {
  const { client, timers = systemTimers } = options;
  const series = new Map<string, Series>();
  const budgets = new Map<string, { tokens: number; at: number }>();
  let tail: Promise<void> = Promise.resolve();

  /** One write after another: the create of an event comes before the patch of its series. */
  const enqueue = (write: () => Promise<unknown>): void => {
    tail = tail.then(write).then(
      () => undefined,
      (e: unknown) => options.onError?.(e),
    );
  };

  const spend = (uid: string): boolean => {
    const now = timers.elapsed();
    const budget = budgets.get(uid) ?? { tokens: BURST, at: now };
    const tokens = Math.min(BURST, budget.tokens + (now - budget.at) / REFILL_MS);
    remember(budgets, uid, { tokens: tokens >= 1 ? tokens - 1 : tokens, at: now });
    return tokens >= 1;
  };

  const begin = (key: string, regarding: KubeObject, input: EventInput): void => {
    if (!spend(regarding.metadata.uid ?? "")) return;
    const now = timers.now();
    const event = eventOf(regarding, input, { ...options, now, random: timers.random() });
    remember(series, key, { event, count: 1, lastAt: now, writtenAt: -Infinity });
    enqueue(() => client.create(events, event));
  };

  const repeat = (known: Series): void => {
    known.count++;
    known.lastAt = timers.now();
    if (known.lastAt - known.writtenAt < SERIES_WRITE_MS) return;
    known.writtenAt = known.lastAt;
    const seriesField = { count: known.count, lastObservedTime: microTime(known.lastAt) };
    const { namespace, name } = known.event.metadata;
    enqueue(() =>
      client.patch(events, { namespace, name }, { series: seriesField }).catch((e: unknown) => {
        if (!isNotFound(e)) throw e; // events live for an hour: begin again
        return client.create(events, { ...known.event, series: seriesField });
      }),
    );
  };

  return {
    record: (regarding, input) => {
      const key = [regarding.metadata.uid, input.type, input.reason, input.action, input.note].join("\u0000");
      const known = series.get(key);
      if (known !== undefined && timers.now() - known.lastAt < SERIES_GAP_MS) repeat(known);
      else begin(key, regarding, input);
    },
    flush: () => tail,
  };
}

interface Origin {
  readonly controller: string;
  readonly instance: string;
  readonly now: number;
  readonly random: number;
}

let sequence = 0;

function eventOf(regarding: KubeObject, input: EventInput, origin: Origin): Event {
  const namespace = regarding.metadata.namespace ?? "default";
  const suffix = `${origin.now.toString(16)}${(sequence++ & 0xfff).toString(16)}${Math.floor(origin.random * 0xffff).toString(16)}`;
  return {
    apiVersion: "events.k8s.io/v1",
    kind: "Event",
    metadata: { name: `${regarding.metadata.name.slice(0, 200)}.${suffix}`, namespace },
    eventTime: microTime(origin.now),
    reportingController: origin.controller,
    reportingInstance: origin.instance.slice(0, 128),
    action: input.action,
    reason: input.reason,
    regarding: referenceTo(regarding),
    ...(input.related === undefined ? {} : { related: referenceTo(input.related) }),
    note: cut(input.note, 1024),
    type: input.type,
  };
}

function referenceTo(object: KubeObject): object {
  const { name, namespace, uid, resourceVersion } = object.metadata;
  return { apiVersion: object.apiVersion, kind: object.kind, name, namespace, uid, resourceVersion };
}

/** Bytes, not characters, and never half a character. */
function cut(text: string, bytes: number): string {
  const buffer = Buffer.from(text);
  return buffer.length <= bytes
    ? text
    : `${new TextDecoder().decode(buffer.subarray(0, bytes - 3)).replace(/\uFFFD+$/, "")}…`;
}

function remember<V>(map: Map<string, V>, key: string, value: V): void {
  map.delete(key);
  map.set(key, value);
  const [oldest] = map.keys();
  if (map.size > MAX_ENTRIES && oldest !== undefined) map.delete(oldest);
}
