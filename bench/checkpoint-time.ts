import type { WorkerEvent } from "../src/api/worker-protocol.ts";
import type { KafkaServer } from "../test/servers/kafka.ts";
import { median } from "./processes.ts";
import { writeEvents } from "./topics.ts";
import { openWorker } from "./worker-run.ts";
import { workloads } from "./workloads.ts";

const KEYS = 100_000;

/** Checkpoints of windows of 100,000 keys, whole and then of what changed: the pause of processing is a part of it, the rest runs beside. */
export async function checkpointTime(kafka: KafkaServer, runs: number): Promise<(readonly [string, string])[]> {
  const workload = workloads.find((w) => w.name === "W3");
  if (workload === undefined) return [];
  const [input, output] = ["many-keys", "many-keys-out"];
  await kafka.createTopic(input, 4);
  await kafka.createTopic(output, 4);
  // All inside one window, and no sentinel is needed: the windows must stay open.
  await writeEvents(kafka.brokers, { name: input, partitions: 0 }, KEYS * 12, { tenants: KEYS, rate: KEYS * 12 });
  const open = await openWorker(workload.pipeline(kafka.brokers, input, output));
  try {
    let keys = 0;
    await open.worker.event((event) => {
      if (event.type === "metrics") keys = event.metrics.keys;
      return event.type === "metrics" && event.metrics.totalIn >= KEYS * 12;
    });
    const { durationMs, bytes } = await checkpointed(open.worker, "bench");
    const later: number[] = [];
    for (let i = 0; i < runs; i++) later.push((await checkpointed(open.worker, `bench-${i}`)).durationMs);
    const size = `${(bytes / 1024 / 1024).toFixed(1)} MiB`;
    return [
      [`first checkpoint of ${keys} keys (${size}), of its own files, fsync included`, `${durationMs.toFixed(0)} ms`],
      ["a later one, of which nothing changed", `${median(later).toFixed(0)} ms`],
    ];
  } finally {
    await open.close();
  }
}

async function checkpointed(worker: Awaited<ReturnType<typeof openWorker>>["worker"], id: string) {
  const known = (await worker.status()).checkpoint?.id ?? 0;
  const newer = (e: WorkerEvent): boolean => e.type === "checkpoint" && e.checkpoint.ok && e.checkpoint.id > known;
  const next = worker.event(newer);
  await worker.call("POST", "/v1/checkpoints", { id });
  const event = await next;
  if (event.type !== "checkpoint") throw new Error("not a checkpoint");
  return event.checkpoint;
}
