/**
 * The kubelet's restart back-off: the first restart is at once, then the pause doubles up to the limit, and a run
 * that lasted twice the limit clears it (https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#restart-policy).
 * A laptop's cluster starts at 1 s where a real one starts at 10 s.
 */
export interface BackoffPolicy {
  readonly initialMs: number;
  readonly maxMs: number;
}

export const defaultBackoff: BackoffPolicy = { initialMs: 1_000, maxMs: 300_000 };

/** Pause before restart number `restarts` (1-based), given how long the last run lasted. */
export function restartPause(policy: BackoffPolicy, consecutive: number): number {
  return consecutive <= 1 ? 0 : Math.min(policy.maxMs, policy.initialMs * 2 ** (consecutive - 2));
}

export const clearsBackoff = (policy: BackoffPolicy, ranMs: number): boolean => ranMs >= 2 * policy.maxMs;
