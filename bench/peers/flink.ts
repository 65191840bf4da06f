import { setTimeout as delay } from "node:timers/promises";
import { cpuSeconds, forgetPeak, peakMiB } from "../processes.ts";
import { CHECKPOINT_INTERVAL_MS } from "./checkpoint-interval.ts";
import { jobFailure, jobState, runStatements, runningSince, triggerCheckpoint } from "./flink-calls.ts";
import { startFlinkCluster, type FlinkCluster } from "./flink-cluster.ts";
import type { Measured, Peer, Place } from "./peer.ts";

const LOOK_MS = 50;
/** A TaskManager that used less of its core than this for so long has nothing left to read. */
const IDLE_SHARE = 0.05;
const IDLE_MS = 400;
const SAMPLE_MS = 20;

export async function startFlink(runs: number): Promise<Peer> {
  const cluster = await startFlinkCluster();
  return {
    name: `Flink ${cluster.version}`,
    runs,
    // The JVM compiles a job's own code anew: its first pass is a third slower.
    warmUps: 1,
    refuses: () => undefined,
    run: async ({ sql }, place) => {
      for (const { pid } of [cluster.jobManager, cluster.taskManager]) forgetPeak(pid);
      const settings = { "execution.checkpointing.interval": `${CHECKPOINT_INTERVAL_MS} ms` };
      return measured(cluster, place.records, () => runStatements(cluster.gateway, onTopics(sql, place), settings));
    },
    pause: () => cluster.signal("SIGSTOP"),
    resume: () => cluster.signal("SIGCONT"),
    close: () => cluster.close(),
  };
}

function onTopics(sql: string, { brokers, input, output, run }: Place): string {
  const options = (entries: Readonly<Record<string, string>>): string =>
    Object.entries({ "properties.bootstrap.servers": brokers.join(","), ...entries })
      .map(([name, value]) => `'${name}' = '${value}'`)
      .join(", ");
  const tables: Readonly<Record<string, string>> = {
    source: options({
      connector: "kafka",
      topic: input,
      format: "json",
      "scan.startup.mode": "earliest-offset",
      "scan.bounded.mode": "latest-offset",
      "properties.group.id": `bench-${run}`,
    }),
    sink: options({ connector: "kafka", topic: output, format: "json" }),
    upsertSink: options({ connector: "upsert-kafka", topic: output, "key.format": "json", "value.format": "json" }),
    job: run,
  };
  return sql.replaceAll(/\$\{(\w+)\}/g, (_, name: string) => {
    const text = tables[name];
    if (text === undefined) throw new Error(`the statements name \${${name}}, which there is not`);
    return text;
  });
}

interface Sample {
  readonly cpu: number;
  /** Wall clock, which Flink's own times are compared with. */
  readonly at: number;
}

/**
 * From the moment all tasks ran to the end of the job, in CPU time of the TaskManager alone. Flink says afterwards when that
 * moment was: who looks for it comes late, and a short job has read half of its input by then.
 */
async function measured(cluster: FlinkCluster, records: number, submit: () => Promise<string>): Promise<Measured> {
  const { jobs, taskManager, jobManager } = cluster;
  const samples: Sample[] = [];
  const look = (): void => void samples.push({ cpu: cpuSeconds(taskManager.pid), at: Date.now() });
  const timer = setInterval(look, SAMPLE_MS);
  try {
    const job = await submit();
    await finished(cluster, job, samples);
    look();
    const since = await runningSince(jobs, job);
    const begin = samples.findLast(({ at }) => at <= since) ?? (samples[0] as Sample);
    const end = samples.at(-1) as Sample;
    return {
      perCpuSecond: records / (end.cpu - begin.cpu),
      perWallSecond: (records * 1000) / (end.at - begin.at),
      peakMiB: peakMiB(taskManager.pid) + peakMiB(jobManager.pid),
    };
  } finally {
    clearInterval(timer);
  }
}

async function finished({ jobs }: FlinkCluster, job: string, samples: readonly Sample[]): Promise<void> {
  let quietFrom = Number.POSITIVE_INFINITY;
  for (;;) {
    const { state, vertices } = await jobState(jobs, job);
    if (state === "FINISHED") return;
    if (["FAILING", "FAILED", "CANCELED"].includes(state)) throw new Error(await jobFailure(jobs, job));
    if (vertices.every(({ status }) => status === "RUNNING")) quietFrom = Math.min(quietFrom, Date.now());
    const last = samples.at(-1);
    const first = samples.findLast(({ at }) => at <= (last?.at ?? 0) - IDLE_MS);
    if (first !== undefined && last !== undefined && first.at >= quietFrom && isIdle(first, last)) {
      // It has read everything and would wait for the next checkpoint in turn.
      await triggerCheckpoint(jobs, job).catch(() => undefined);
      quietFrom = Date.now();
    }
    await delay(LOOK_MS);
  }
}

function isIdle(first: Sample, last: Sample): boolean {
  return ((last.cpu - first.cpu) * 1000) / (last.at - first.at) < IDLE_SHARE;
}
