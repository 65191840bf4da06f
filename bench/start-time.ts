import type { KafkaServer } from "../test/servers/kafka.ts";
import { median } from "./processes.ts";
import { openWorker } from "./worker-run.ts";
import { workloads } from "./workloads.ts";

/** From the spawn of the worker process to the first record that has passed it: waiting and connecting included. */
export async function startTime(kafka: KafkaServer, runs: number): Promise<(readonly [string, string])[]> {
  const workload = workloads[0];
  if (workload === undefined) return [];
  const times: number[] = [];
  for (let i = 0; i < runs; i++) {
    const output = `start-${i}`;
    await kafka.createTopic(output, 1);
    const at = performance.now();
    const open = await openWorker(workload.pipeline(kafka.brokers, "events", output));
    try {
      while (((await kafka.endOffsets(output))[0] ?? 0) === 0);
      times.push(performance.now() - at);
    } finally {
      await open.close();
    }
  }
  return [["worker start to its first record in the output topic", `${median(times).toFixed(0)} ms`]];
}
