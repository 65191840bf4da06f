import type { SinkFactory, SinkWriter } from "../../src/engine/connectors/connector.ts";
import { builtInConnectors, type ConnectorRegistry } from "../../src/engine/connectors/registry.ts";

/** Moments around a commit at which a process may die. */
export const CRASH_POINTS = [
  "before pre-commit",
  "after pre-commit",
  "after manifest",
  "after commit",
  "before recovery",
  "in recovery",
] as const;
export type CrashPoint = (typeof CRASH_POINTS)[number];

const IN_RECOVERY: readonly CrashPoint[] = ["before recovery", "in recovery"];

/** How many checkpoints are let through first. */
const SPARED = 2;

/**
 * The built-in connectors, whose committing sinks die at a point: from then on they do nothing, and their connections are
 * cut as those of a killed process are. `crash` does it from outside.
 */
export function crashing(point: CrashPoint | undefined): { readonly connectors: ConnectorRegistry; crash(): void } {
  const death = new AbortController();
  let checkpoints = 0;
  const at = (here: CrashPoint): void => {
    if (death.signal.aborted) throw new Error("dead");
    if (here !== point || (checkpoints <= SPARED && !IN_RECOVERY.includes(here))) return;
    death.abort();
    throw new Error(`died ${here}`);
  };
  const wrap = (real: SinkFactory): SinkFactory => ({
    open: async (config, ctx) => {
      const signal = AbortSignal.any([ctx.signal, death.signal]);
      return dying(await real.open(config, { ...ctx, signal }), at, {
        barrier: () => checkpoints++,
        dead: () => death.signal.aborted,
      });
    },
  });
  return {
    connectors: { ...builtInConnectors, sink: async (name) => wrap(await builtInConnectors.sink(name)) },
    crash: () => death.abort(),
  };
}

function dying(
  writer: SinkWriter,
  at: (here: CrashPoint) => void,
  on: { barrier(): void; dead(): boolean },
): SinkWriter {
  return {
    ...writer,
    flush: async () => {
      on.barrier();
      const accepted = writer.flush();
      await accepted;
      at("before pre-commit");
    },
    prepare: async (id) => {
      const handle = await writer.prepare?.(id);
      at("after pre-commit");
      return handle;
    },
    commit: async (id, handle) => {
      at("after manifest");
      await writer.commit?.(id, handle);
      at("after commit");
    },
    committed: async (of, marked) => {
      at("before recovery");
      const n = await writer.committed?.(of, marked);
      at("in recovery");
      return n;
    },
    close: async () => {
      if (!on.dead()) await writer.close();
    },
  };
}
