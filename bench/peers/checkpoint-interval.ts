/** Of every job on every side. */
export const CHECKPOINT_INTERVAL_MS = 10_000;
