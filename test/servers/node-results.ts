/** What a `datagenJob` wrote on the real node, read from its volume: a thousand events for each second of event time. */
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { eventually } from "./node-actions.ts";
import type { NodeNamespace } from "./node-namespace.ts";

const EVENTS_A_SECOND = 1000;

export interface JobResults {
  /** How many whole seconds are there. */
  seconds(): number;
  /** Resolves once so many more seconds were written, and gives how many ms that took. */
  grow(by?: number): Promise<number>;
  /**
   * What is missing, or was counted wrongly, in the seconds that are there by now; a window may be written twice, then twice the
   * same. A worker may be behind the others: what is missing has two minutes to come.
   */
  faults(): Promise<string[]>;
}

interface Window {
  readonly tenant: string;
  readonly windowStart: number;
  readonly n: number;
}

export async function resultsOf(namespace: NodeNamespace, job: string): Promise<JobResults> {
  const folder = join(await namespace.volume(), "results", job);
  const whole = (): Map<number, Map<string, Set<number>>> => {
    const seconds = new Map<number, Map<string, Set<number>>>();
    for (const { tenant, windowStart, n } of windowsIn(folder)) {
      const tenants = seconds.get(windowStart) ?? new Map<string, Set<number>>();
      seconds.set(windowStart, tenants.set(tenant, (tenants.get(tenant) ?? new Set()).add(n)));
    }
    // Workers are not equally far: the newest seconds are still being written.
    const newest = [...seconds.keys()].toSorted((a, b) => b - a).slice(0, NEWEST);
    for (const second of newest) seconds.delete(second);
    return seconds;
  };
  const results: JobResults = {
    seconds: () => whole().size,
    grow: async (by = 3) => {
      const began = performance.now();
      const reached = whole().size;
      const seen = (): string => `${whole().size} seconds, ${reached} before`;
      await eventually(`${by} more seconds of ${job}`, () => (whole().size >= reached + by ? true : undefined), {
        seen,
      });
      return performance.now() - began;
    },
    faults: async () => {
      const newest = Math.max(...whole().keys());
      for (const deadline = performance.now() + PATIENCE_MS; ; await delay(200)) {
        const found = faultsUpTo(newest);
        if (found.length === 0 || performance.now() > deadline) return found;
      }
    },
  };
  const faultsUpTo = (newest: number): string[] => {
    const seconds = [...whole()].filter(([second]) => second <= newest).toSorted(([a], [b]) => a - b);
    return seconds.flatMap(([second, tenants], i) => {
      const before = seconds[i - 1]?.[0];
      const gap = before === undefined || second === before + 1000 ? [] : [`nothing between ${before} and ${second}`];
      const torn = [...tenants].flatMap(([t, counts]) =>
        counts.size > 1 ? [`${second} ${t}: ${[...counts].join(" and ")}`] : [],
      );
      const sum = [...tenants.values()].reduce((total, counts) => total + ([...counts][0] ?? 0), 0);
      return [...gap, ...torn, ...(sum === EVENTS_A_SECOND ? [] : [`${second}: ${sum} events`])];
    });
  };
  return results;
}

const NEWEST = 3;
const PATIENCE_MS = 120_000;

function windowsIn(folder: string): Window[] {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  return files.flatMap((file) =>
    readFileSync(join(file.parentPath, file.name), "utf8")
      .split("\n")
      .slice(0, -1)
      .map((line) => JSON.parse(line) as Window),
  );
}
