import { beforeAll, describe, expect, it } from "vitest";
import { nodeJob } from "../builders/node-job.ts";
import { eventually } from "../servers/node-actions.ts";
import { nodeCluster } from "../servers/node-cluster.ts";
import type { NodeNamespace } from "../servers/node-namespace.ts";
import type { JobResults } from "../servers/node-results.ts";
import { resultsOf } from "../servers/node-results.ts";
import { type WeirRelease, installWeir } from "../servers/node-weir.ts";

const NAME = "etl";

describe("an operator that is killed on a real node", () => {
  const node = nodeCluster();
  let namespace: NodeNamespace;
  let weir: WeirRelease;
  let results: JobResults;

  beforeAll(async () => {
    namespace = await node.namespace("operator");
    weir = await installWeir(node, namespace);
  });

  /** Kills the leader as soon as the operation is in flight, or just after it where it was faster than this test. */
  const killDuring = async (type: string, asked: () => Promise<unknown>): Promise<void> => {
    const leader = await weir.leader();
    const before = (await namespace.job(NAME).catch(() => undefined))?.status?.epoch ?? 0;
    await asked();
    const moved = async (): Promise<string | undefined> => {
      const { status } = await namespace.job(NAME);
      if (status?.operation?.type === type) return `in step ${status.operation.step}`;
      const isDone = status?.state === "STOPPED" || (status?.epoch ?? 0) > before;
      return status?.operation === undefined && isDone ? "when it was done" : undefined;
    };
    const where = await eventually(`${type} of ${NAME}`, moved, { everyMs: 50 });
    const began = performance.now();
    await namespace.kubectl(["delete", "pod", leader, "--grace-period=0", "--force"]);
    const next = await weir.leader();
    const seconds = ((performance.now() - began) / 1000).toFixed(1);
    expect(next).not.toBe(leader);
    console.log(`leader killed during ${type} (${where}): another one leads after ${seconds} s`);
  };
  const ready = async (workers: number): Promise<void> => {
    await namespace.waitFor(`sj/${NAME}`, `jsonpath={.status.parallelism.ready}=${workers}`);
    await namespace.waitFor(`sj/${NAME}`, "jsonpath={.status.state}=RUNNING");
    await namespace.waitFor(`sj/${NAME}`, "condition=Ready");
  };
  const annotate = (verb: string): Promise<string> =>
    namespace.kubectl(["annotate", "sj", NAME, "--overwrite", `weir.dev/${verb}=${Date.now()}`]);

  it("in the middle of a start leaves a job that runs", async () => {
    await killDuring("Start", () => namespace.apply(nodeJob(NAME)));
    await ready(1);
    results = await resultsOf(namespace, NAME);
    await results.grow();
  });

  it("in the middle of a scale leaves a job with the workers that were asked for", async () => {
    await killDuring("Scale", () => namespace.kubectl(["scale", `sj/${NAME}`, "--replicas=2"]));
    await ready(2);
    await results.grow();
  });

  it("in the middle of a stop leaves a job that is stopped, and resumes from its savepoint", async () => {
    await killDuring("Stop", () => annotate("stop"));
    await namespace.waitFor(`sj/${NAME}`, "jsonpath={.status.state}=STOPPED");
    expect((await namespace.job(NAME)).status?.savepoint?.uri).toContain("/savepoints/");
    expect(await namespace.pods(`weir.dev/job=${NAME}`)).toEqual([]);
    await annotate("start");
    await ready(2);
    await results.grow();
  });

  it("never lost or repeated a part of a window", async () => {
    expect(await results.faults()).toEqual([]);
    console.log(`${results.seconds()} seconds of events, each complete`);
  });
});
