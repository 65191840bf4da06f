import { systemClock } from "../../src/clock.ts";
import type { ConnectorContext, OutRecord, SinkContext, SourceContext } from "../../src/engine/connectors/connector.ts";

type Problem = Parameters<ConnectorContext["report"]>[0];

/** What a worker gives to a connector, with the reported problems kept for the test. */
export interface TestContext {
  readonly source: SourceContext;
  readonly sink: SinkContext;
  readonly problems: readonly Problem[];
  readonly losses: readonly { readonly records: number; readonly message: string }[];
  /** The next report that matches. */
  reported(matches: (problem: Problem) => boolean): Promise<void>;
  abort(): void;
}

export function connectorContext(partitionedBy: readonly string[] | null = null): TestContext {
  const controller = new AbortController();
  const problems: Problem[] = [];
  const losses: { records: number; message: string }[] = [];
  let waiters: { matches: (problem: Problem) => boolean; resolve: () => void }[] = [];
  const context: ConnectorContext = {
    node: "node",
    clock: systemClock,
    secret: () => undefined,
    referenced: () => undefined,
    resolvePath: (path) => path,
    signal: controller.signal,
    report: (problem) => {
      problems.push(problem);
      waiters = waiters.filter(({ matches, resolve }) => {
        if (!matches(problem)) return true;
        resolve();
        return false;
      });
    },
  };
  return {
    source: { ...context, partitionedBy, lost: (records, message) => void losses.push({ records, message }) },
    sink: {
      ...context,
      lineage: "lineage",
      epoch: 1,
      slot: 0,
      attempt: 1,
      common: new Map(),
      delivery: "AtLeastOnce",
      commitWithinMs: 60_000,
    },
    problems,
    losses,
    reported: (matches) => new Promise((resolve) => waiters.push({ matches, resolve })),
    abort: () => controller.abort(),
  };
}

export function outRecord(key: string | null, value: string, ts: number): OutRecord {
  const bytes = Buffer.from(value);
  const keyBytes = key === null ? undefined : Buffer.from(key);
  return { value: bytes, start: 0, end: bytes.length, key: keyBytes, keyStart: 0, keyEnd: keyBytes?.length ?? -1, ts };
}
