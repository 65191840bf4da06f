import { setTimeout as delay } from "node:timers/promises";
import { cpuSeconds, forgetPeak, peakMiB } from "../processes.ts";
import { CHECKPOINT_INTERVAL_MS } from "./checkpoint-interval.ts";
import { jobFailure, jobState, runStatements, triggerCheckpoint } from "./flink-calls.ts";
import { startFlinkCluster, type FlinkCluster } from "./flink-cluster.ts";
import type { Measured, Peer, Place } from "./peer.ts";

const LOOK_MS = 50;
/** A TaskManager that used less of its core than this for so long has nothing left to read. */
const IDLE_SHARE = 0.05;
const IDLE_LOOKS = 8;

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
      const job = await runStatements(cluster.gateway, onTopics(sql, place), settings);
      return measured(cluster, job, place.records);
    },
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

/** From the moment all tasks run to the end of the job, in CPU time of the TaskManager alone. */
async function measured(cluster: FlinkCluster, job: string, records: number): Promise<Measured> {
  const { jobs, taskManager, jobManager } = cluster;
  const now = () => ({ cpu: cpuSeconds(taskManager.pid), at: performance.now() });
  let begin = now();
  let running = false;
  const recent: ReturnType<typeof now>[] = [];
  for (;;) {
    const { state, vertices } = await jobState(jobs, job);
    if (state === "FINISHED") break;
    if (["FAILING", "FAILED", "CANCELED"].includes(state)) throw new Error(await jobFailure(jobs, job));
    if (!running && vertices.every(({ status }) => status === "RUNNING")) {
      running = true;
      begin = now();
    }
    recent.push(now());
    const [first] = recent.splice(0, recent.length > IDLE_LOOKS ? 1 : 0);
    if (running && first !== undefined && isIdle(first, now())) {
      // It has read everything and would wait for the next checkpoint in turn.
      await triggerCheckpoint(jobs, job).catch(() => undefined);
      recent.length = 0;
    }
    await delay(LOOK_MS);
  }
  const end = now();
  return {
    perCpuSecond: records / (end.cpu - begin.cpu),
    perWallSecond: (records * 1000) / (end.at - begin.at),
    peakMiB: peakMiB(taskManager.pid) + peakMiB(jobManager.pid),
  };
}

function isIdle(first: { cpu: number; at: number }, last: { cpu: number; at: number }): boolean {
  return ((last.cpu - first.cpu) * 1000) / (last.at - first.at) < IDLE_SHARE;
}
