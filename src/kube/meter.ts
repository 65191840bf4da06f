/**
 * The metrics of this folder: name → what a dashboard shows. The process binds them to its registry. No label is called
 * namespace: a scrape gives that one its own meaning, and would rename ours.
 */
export const kubeMetrics = {
  kube_requests_total: {
    type: "counter",
    labels: ["verb", "code"],
    help: "Answers of the API server by verb and HTTP status.",
  },
  kube_request_duration_seconds: { type: "histogram", labels: ["verb"], help: "Time until the headers of an answer." },
  kube_watch_silence_seconds: {
    type: "gauge",
    labels: ["resource", "watched_namespace"],
    help: "Seconds since the last watch event, bookmarks included; an empty namespace is all of them.",
  },
  kube_relists_total: {
    type: "counter",
    labels: ["resource", "reason"],
    help: "Full lists by reason: initial, expired, resync.",
  },
  kube_watch_restarts_total: {
    type: "counter",
    labels: ["resource", "reason"],
    help: "Watch connections that ended, by reason.",
  },
  kube_cache_objects: {
    type: "gauge",
    labels: ["resource", "watched_namespace"],
    help: "Objects in the cache; an empty namespace is all of them.",
  },
  namespace_watched: {
    type: "gauge",
    labels: ["watched_namespace"],
    help: "1 while Weir sees a namespace; 0 means that it does nothing there, for example because its Role is missing.",
  },
  kube_cache_misses_total: {
    type: "counter",
    labels: ["resource"],
    help: "Differences that a resync list found in a synced cache; non-zero is a lost event.",
  },
  queue_depth: { type: "gauge", labels: ["queue"], help: "Keys that wait to be processed." },
  queue_wait_seconds: { type: "histogram", labels: ["queue"], help: "Time a key waited." },
  queue_work_seconds: { type: "histogram", labels: ["queue"], help: "Time a key was processed." },
  queue_retries_total: { type: "counter", labels: ["queue"], help: "Keys put back after an error." },
  queue_terminal_errors_total: {
    type: "counter",
    labels: ["queue"],
    help: "Errors that are not retried until the object changes.",
  },
  leader: { type: "gauge", labels: ["lease"], help: "1 while this process leads." },
} as const satisfies Record<string, MetricShape>;

export interface MetricShape {
  readonly type: "counter" | "gauge" | "histogram";
  readonly labels: readonly string[];
  readonly help: string;
}

export type MetricName = keyof typeof kubeMetrics;
export type Labels = Readonly<Record<string, string>>;

/** The port. Calls never throw and are cheap enough for every request. */
export interface Meter {
  count(name: MetricName, labels: Labels, by?: number): void;
  observe(name: MetricName, labels: Labels, seconds: number): void;
  /** Registers a reading that is taken when somebody looks; the last one for the same labels wins. */
  gauge(name: MetricName, labels: Labels, read: () => number): void;
}

export const noMeter: Meter = { count: () => {}, observe: () => {}, gauge: () => {} };

export interface Sample {
  readonly name: MetricName;
  readonly labels: Labels;
  /** For a histogram: the sum of seconds. */
  readonly value: number;
  /** For a histogram: how many observations. */
  readonly count?: number;
}

export interface RecordingMeter extends Meter {
  samples(): Sample[];
  /** The value of one series, 0 when it was never touched. */
  value(name: MetricName, labels: Labels): number;
}

interface Series {
  readonly name: MetricName;
  readonly labels: Labels;
  value: number;
  count: number | undefined;
  read: (() => number) | undefined;
}

/** Keeps everything in memory, for tests and for a registry that reads at scrape time. */
export function recordingMeter(): RecordingMeter {
  const all = new Map<string, Series>();
  const id = (name: MetricName, labels: Labels): string =>
    `${name}{${kubeMetrics[name].labels.map((label) => labels[label] ?? "").join("\u0000")}}`;
  const series = (name: MetricName, labels: Labels): Series => {
    const key = id(name, labels);
    const found = all.get(key);
    if (found !== undefined) return found;
    const made: Series = { name, labels, value: 0, count: undefined, read: undefined };
    all.set(key, made);
    return made;
  };
  const current = (s: Series): number => s.read?.() ?? s.value;
  return {
    count: (name, labels, by = 1) => {
      series(name, labels).value += by;
    },
    observe: (name, labels, seconds) => {
      const s = series(name, labels);
      s.value += seconds;
      s.count = (s.count ?? 0) + 1;
    },
    gauge: (name, labels, read) => {
      series(name, labels).read = read;
    },
    samples: () =>
      [...all.values()].map((s) => ({
        name: s.name,
        labels: s.labels,
        value: current(s),
        ...(s.count === undefined ? {} : { count: s.count }),
      })),
    value: (name, labels) => {
      const s = all.get(id(name, labels));
      return s === undefined ? 0 : current(s);
    },
  };
}
