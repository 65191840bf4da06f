import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, expect, it } from "vitest";
import { streamingJobs } from "../../src/controllers/weir-resources.ts";
import { callRecorder } from "../../src/kube/call.ts";
import { datagenJob } from "../builders/datagen-job.ts";
import type { ControlPlane } from "../servers/kubernetes.ts";
import { applyCrds, startControlPlane } from "../servers/kubernetes.ts";
import type { WeirCluster } from "../servers/weir-cluster.ts";
import { startWeir } from "../servers/weir-cluster.ts";

const recorder = callRecorder();
let plane: ControlPlane;
let weir: WeirCluster;

beforeAll(async () => {
  plane = await startControlPlane();
  await applyCrds(plane);
  weir = await startWeir(plane.server, { interceptors: [recorder.intercept] });
});
afterAll(async () => {
  await weir.stop();
  await plane.stop();
});

const writes = (): string[] =>
  recorder.calls
    .filter((c) => !["get", "list", "watch"].includes(c.verb))
    .map((c) => `${c.verb} ${c.resource}/${c.subresource ?? ""}`);

/**
 * What was written in each of several stretches, until there was one without a write. A job is not steady while a busy machine lets
 * its workers wait; but what an operator writes without a reason it writes in all of them.
 */
async function untilQuiet(ms: number, begin: () => Promise<unknown> = () => Promise.resolve()): Promise<string[][]> {
  const seen: string[][] = [];
  do {
    recorder.calls.length = 0;
    await begin();
    await delay(ms);
    seen.push(writes());
  } while (seen.length < 5 && seen.at(-1)?.length !== 0);
  return seen;
}

it("writes nothing about a steady job, also not after an operator's restart", async () => {
  await weir.client.create(streamingJobs, datagenJob("steady", { parallelism: 2 }));
  await weir.until(
    "steady",
    "steady",
    (j) => j.status?.conditions?.some((c) => c.type === "Checkpointing" && c.status === "True") === true,
  );
  await delay(4_000); // figures settle: two intervals of the workers
  const steady = await untilQuiet(10_000); // five intervals of the workers, twenty checkpoints
  expect(steady.at(-1), JSON.stringify(steady)).toEqual([]);

  let { operator } = weir;
  const again = async (): Promise<void> => {
    await operator.stop();
    recorder.calls.length = 0;
    operator = await weir.startOperator();
    await operator.leading;
  };
  const restarted = await untilQuiet(6_000, again); // longer than the silence after which a worker counts as unreachable
  expect(restarted.at(-1), JSON.stringify(restarted)).toEqual([]);
});
