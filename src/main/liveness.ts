import type { Mover } from "../controllers/namespace-watch.ts";

/**
 * The operator is not live when a part of it stands still that moves by itself in a sound one, whatever the cluster does;
 * a restart is the cure. An API server or a worker that does not answer is no such thing: every call has an end, every
 * watch is opened anew after 150 s of silence. A process whose event loop is stuck does not answer at all.
 */
const STILL_MS = 600_000;

export interface Parts {
  readonly now: number;
  readonly watches: readonly Mover[];
  /** Of each queue, what it has worked on for longest. */
  readonly queues: readonly { readonly key: string; readonly since: number }[];
}

/** Undefined while everything moves, else what stands still. */
export function notLive({ now, watches, queues }: Parts): string | undefined {
  const still = [
    ...watches.map(({ name, movedAt }) => ({ what: `${name} has stood still`, since: movedAt })),
    ...queues.map(({ key, since }) => ({ what: `${key} has been reconciled`, since })),
  ];
  const found = still.filter(({ since }) => now - since > STILL_MS);
  if (found.length === 0) return undefined;
  return found.map(({ what, since }) => `${what} for ${Math.round((now - since) / 1000)} s`).join("; ");
}
