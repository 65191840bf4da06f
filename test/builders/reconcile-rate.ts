import type { RunningOperator } from "../../src/main/operator.ts";

const SAMPLE_MS = 50;
/** A rate over less than this says nothing. */
const WINDOW_MS = 1_000;

/** Watches how often an operator's job queue works, from its own metrics. One job in the cluster makes it the rate of a key. */
export interface ReconcileRate {
  /** The most in any second so far. */
  readonly most: number;
  stop(): void;
}

export function watchReconciles(operator: RunningOperator): ReconcileRate {
  const samples: { from: number; count: number }[] = [];
  let most = 0;
  /** A count is of some moment between asking and hearing, which is long on a busy machine: the rate is never told too high. */
  const sample = async (): Promise<void> => {
    const from = performance.now();
    const count = await reconciles(operator.probePort ?? 0);
    const to = performance.now();
    samples.push({ from, count });
    const oldest = samples.findLast((s) => from - s.from >= WINDOW_MS);
    if (oldest !== undefined) most = Math.max(most, ((count - oldest.count) * 1_000) / (to - oldest.from));
  };
  const timer = setInterval(() => void sample().catch(() => undefined), SAMPLE_MS); // it may have ended by now
  return {
    get most() {
      return most;
    },
    stop: () => clearInterval(timer),
  };
}

async function reconciles(port: number): Promise<number> {
  const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
  return Number(/^weir_queue_work_seconds_count\{queue="streamingjob"\} (\d+)/m.exec(text)?.[1] ?? 0);
}
