import type { SinkFactory, SinkWriter } from "../../src/engine/connectors/connector.ts";
import { builtInConnectors, type ConnectorRegistry } from "../../src/engine/connectors/registry.ts";

/** Where a worker dies on its way through a commit. */
export const CRASH_POINTS = [
  "before pre-commit",
  "after pre-commit",
  "after the manifest",
  "after one of two commits",
  "after all commits",
  "in recovery",
] as const;
export type CrashPoint = (typeof CRASH_POINTS)[number];

/** Says when to die; a test sets `next`, and it is taken once. */
export interface Crasher {
  next: CrashPoint | undefined;
  /** The built-in connectors, whose sinks die. */
  readonly connectors: ConnectorRegistry;
}

class Crash extends Error {}

export function crasher(): Crasher {
  /** Of one checkpoint. */
  let [prepares, commits] = [0, 0];
  const dieAt = (point: CrashPoint): void => {
    if (crash.next !== point) return;
    crash.next = undefined;
    throw new Crash(point);
  };
  const dying = (writer: SinkWriter): SinkWriter => {
    const { prepare, commit, committed, recover } = writer;
    return {
      ...writer,
      ...(prepare === undefined
        ? {}
        : {
            prepare: async (id: number) => {
              if (commits > 0) [prepares, commits] = [0, 0];
              prepares++;
              dieAt("before pre-commit");
              const handle = await prepare(id);
              dieAt("after pre-commit");
              return handle;
            },
          }),
      ...(commit === undefined
        ? {}
        : {
            commit: async (id: number, handle: unknown) => {
              dieAt("after the manifest");
              await commit(id, handle);
              if (++commits < prepares) dieAt("after one of two commits");
              else dieAt("after all commits");
            },
          }),
      ...(committed === undefined
        ? {}
        : {
            committed: async (of: { epoch: number; slot: number }, marked: number | undefined) => {
              const found = await committed(of, marked);
              dieAt("in recovery");
              return found;
            },
          }),
      ...(recover === undefined
        ? {}
        : {
            recover: async (handle: unknown, finished: boolean) => {
              await recover(handle, finished);
              dieAt("in recovery");
            },
          }),
    };
  };
  const crash: Crasher = {
    next: undefined,
    connectors: {
      ...builtInConnectors,
      sink: async (name): Promise<SinkFactory> => {
        const factory = await builtInConnectors.sink(name);
        return { open: async (config, ctx) => dying(await factory.open(config, ctx)) };
      },
    },
  };
  return crash;
}
