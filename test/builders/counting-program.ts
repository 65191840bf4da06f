import type { Batch } from "../../src/engine/batch.ts";
import type { Plan, PlanSink } from "../../src/engine/plan.ts";
import type { KeyedNode, NodeCounters, Program, ProgramOptions } from "../../src/engine/program.ts";

/**
 * A program small enough to be sure of: counts the records of each tenant and writes `{"k": tenant, "n": count}` for
 * each. State is the counts, in shards by split. So the output of a right run holds every n from 1 to the tenant's total.
 */
export function countingProgram(plan: Plan, options: ProgramOptions, signature = "count"): Program {
  const counts = new Map<number, Map<string, number>>();
  const counters: NodeCounters = { in: 0, out: 0, late: 0, errors: 0 };
  const sinks = [...options.sinks.values()];
  let watermark = -Infinity;
  let maxEventTime = -Infinity;

  const process = (batch: Batch): void => {
    maxEventTime = -Infinity;
    const shard = counts.get(batch.split) ?? new Map<string, number>();
    counts.set(batch.split, shard);
    for (let i = 0; i < batch.n; i++) {
      const start = batch.off[i] as number;
      const text = batch.buf.toString("utf8", start, start + (batch.len[i] as number));
      const { tenant, ts } = JSON.parse(text) as { tenant: string; ts: number };
      maxEventTime = Math.max(maxEventTime, ts);
      const n = (shard.get(tenant) ?? 0) + 1;
      shard.set(tenant, n);
      const value = Buffer.from(JSON.stringify({ k: tenant, n }));
      for (const sink of sinks) {
        sink.append({ value, start: 0, end: value.length, key: undefined, keyStart: 0, keyEnd: -1, ts });
      }
    }
  };

  const keyed: KeyedNode = {
    node: "count",
    stateVersion: 1,
    stateSignature: signature,
    shards: () => [...counts.keys()],
    beginSnapshot: () => {
      const copy = new Map([...counts].map(([shard, entries]) => [shard, JSON.stringify([...entries])] as const));
      return {
        chunks: function* (shard) {
          const text = copy.get(shard) ?? "[]";
          for (let at = 0; at < text.length; at += 500) yield Buffer.from(text.slice(at, at + 500));
        },
        release: () => copy.clear(),
      };
    },
    restore: (shard, chunks) => {
      if (counts.has(shard) || shard % options.slots !== options.slot) throw new Error(`shard ${shard} is not ours`);
      counts.set(shard, new Map(JSON.parse(Buffer.concat(chunks).toString()) as [string, number][]));
    },
    get watermark() {
      return watermark;
    },
    size: () => [...counts.values()].reduce((sum, m) => sum + m.size, 0),
  };

  const input = {
    process,
    get maxEventTime() {
      return maxEventTime;
    },
  };
  return {
    inputs: new Map(plan.sources.map((s) => [s.node, input])),
    keyed: [keyed],
    advanceWatermark: (_source, to) => {
      watermark = Math.max(watermark, to);
    },
    advanceProcessingTime: () => {},
    setIdle: () => {},
    end: () => {
      watermark = Infinity;
    },
    buffers: [],
    counters: () => new Map([["count", counters]]),
  };
}

/** A plan for it: datagen, keyed by tenant, into a file sink or wherever `sink` says. */
export function countingPlan(over: {
  datagen: object;
  sink?: Pick<PlanSink, "connector" | "config" | "delivery"> & Partial<Pick<PlanSink, "secretRef">>;
  maxParallelism?: number;
}): Plan {
  return {
    version: 1,
    hash: "counting",
    maxParallelism: over.maxParallelism ?? 16,
    parameters: {},
    parallelismLimit: null,
    sources: [
      {
        node: "events",
        connector: "datagen",
        config: over.datagen,
        secretRef: null,
        eventTime: { field: ["ts"], maxOutOfOrdernessMs: 0, idleTimeoutMs: 0 },
        partitionedBy: ["tenant"],
        onError: "Fail",
      },
    ],
    sinks: [
      {
        node: "out",
        secretRef: null,
        ...(over.sink ?? { connector: "file", config: { path: "/results" } }),
        inputs: [{ node: "events", output: "out" }],
        key: null,
        onError: "Fail",
      },
    ],
    nodes: [],
  };
}
