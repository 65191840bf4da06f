/** Alerts are raised on it by a fault, and end by its cure, in a real Prometheus. */
import type { Prometheus } from "./prometheus.ts";

export type AlertLabels = Readonly<Record<string, string>>;

export interface AlertStage {
  isFiring(alert: string, labels: AlertLabels): Promise<boolean>;
  /** The alert fires because of the fault, which is done again until then, and ends because of the cure. */
  raise(
    alert: string,
    labels: AlertLabels,
    acts: { readonly fault: () => Promise<unknown>; readonly cure: () => unknown },
  ): Promise<void>;
  /** What was raised, and how long it took. */
  readonly times: readonly string[];
}

/** Six restarts take a busy node minutes. */
const PATIENCE_MS = 300_000;

export function alertStage(prometheus: Prometheus): AlertStage {
  const times: string[] = [];
  const isFiring: AlertStage["isFiring"] = async (alert, labels) => {
    const wanted = Object.entries({ ...labels, alertname: alert });
    const all = await prometheus.alerts();
    return all.some((a) => a.state === "firing" && wanted.every(([label, value]) => a.labels[label] === value));
  };
  return {
    isFiring,
    times,
    raise: async (alert, labels, { fault, cure }) => {
      const began = performance.now();
      const isRaised = async (): Promise<boolean> => {
        await fault();
        return isFiring(alert, labels);
      };
      await prometheus.until(`firing: ${alert}`, isRaised, PATIENCE_MS);
      const fired = performance.now();
      await cure();
      await prometheus.until(`over: ${alert}`, async () => !(await isFiring(alert, labels)), PATIENCE_MS);
      const seconds = (from: number, to: number): string => ((to - from) / 1000).toFixed(1);
      times.push(`${alert} after ${seconds(began, fired)} s, over after ${seconds(fired, performance.now())} s`);
    },
  };
}

/** A fault that is done a single time. */
export const once = (act: () => unknown): (() => Promise<void>) => {
  let done: Promise<void> | undefined;
  return () => (done ??= Promise.resolve(act()).then(() => undefined));
};
