/** Figures of a quiet installation. Each is printed; what is asserted is only that nothing is far from what is promised. */
import { beforeAll, describe, expect, it } from "vitest";
import { datagenJob } from "../builders/datagen-job.ts";
import { eventually } from "../servers/node-actions.ts";
import { nodeCluster } from "../servers/node-cluster.ts";
import type { NodeNamespace } from "../servers/node-namespace.ts";
import { type ProcessUse, figure, processUse } from "../servers/process-use.ts";
import { type PodTimes, watchPods } from "../servers/node-watch.ts";
import { type WeirRelease, installWeir } from "../servers/node-weir.ts";

const seconds = (ms: number): string => `${(ms / 1000).toFixed(2)} s`;

describe("figures of a real node", () => {
  const node = nodeCluster();
  let namespace: NodeNamespace;
  let weir: WeirRelease;
  beforeAll(async () => {
    namespace = await node.namespace("figures");
    weir = await installWeir(node, namespace);
    const { upSeconds } = node.facts;
    if (upSeconds !== undefined) console.log(`make cluster-up: ${upSeconds.toFixed(1)} s`);
    console.log(`chart install to Ready: ${weir.readySeconds.toFixed(1)} s`);
  });

  async function operatorUse(what: string): Promise<ProcessUse> {
    const leader = await weir.leader();
    const { mib, cores } = await processUse(() => weir.metrics(leader));
    console.log(`operator with ${what}: ${mib.toFixed(0)} MiB resident, ${(cores * 100).toFixed(1)} % of a core`);
    return { mib, cores };
  }

  it("has an operator that takes little while there is nothing to do", async () => {
    const { mib, cores } = await operatorUse("no jobs");
    expect(mib).toBeLessThan(200);
    expect(cores).toBeLessThan(0.2);
  });

  it.skipIf(node.facts.cluster === undefined)("has a worker that reads soon after its pod was created", async () => {
    const times = await watchPods(node, namespace);
    const starts: number[] = [];
    for (const name of ["first", "second", "third"]) {
      await namespace.apply(withoutNamespace(datagenJob(name)));
      const pod = `${name}-1-0-0`;
      const { created, record } = await firstRecord(times, pod);
      const [found] = await namespace.pods(`weir.dev/job=${name}`);
      const container = (await node.actions?.startOf(found?.status.containerStatuses?.[0]?.containerID ?? "")) ?? 0;
      starts.push(record - container);
      console.log(
        `worker ${name}: container ${seconds(container - created)} after the pod's creation, first record ${seconds(record - container)} later`,
      );
      await namespace.kubectl(["delete", "sj", name, "--timeout=120s"]);
    }
    await times.stop();
    expect(Math.min(...starts)).toBeLessThan(60_000);
  });

  it("carries several jobs with one operator", async () => {
    const jobs = Array.from({ length: 8 }, (_, i) => `job-${i}`);
    const small = { worker: { resources: { requests: { cpu: "20m", memory: "64Mi" }, limits: { memory: "256Mi" } } } };
    await namespace.apply(...jobs.map((name) => withoutNamespace(datagenJob(name, small))));
    await namespace.kubectl(["wait", "sj", "--all", "--for=condition=Ready", "--timeout=180s"]);
    const { mib } = await operatorUse(`${jobs.length} jobs`);
    expect(mib).toBeLessThan(300);
  });
});

/** The tests of the embedded cluster live in "default". */
function withoutNamespace<T extends { metadata: { name: string } }>(job: T): T {
  return { ...job, metadata: { name: job.metadata.name } };
}

/** When the pod was created and when the first of its records was seen; ms since the epoch. */
async function firstRecord(times: PodTimes, pod: string): Promise<{ created: number; record: number }> {
  const address = await eventually(`pod ${pod} runs`, () => times.addresses.get(pod), {
    everyMs: 5,
    seen: () => [...times.created],
  });
  const hasRead = async (): Promise<true | undefined> => {
    const text = await fetch(`http://${address}:8080/metrics`).then((answer) => answer.text());
    return figure(text, "weir_worker_records_in_total") > 0 ? true : undefined;
  };
  await eventually(`a record in ${pod}`, () => hasRead().catch(() => undefined), { everyMs: 5 });
  return { created: times.created.get(pod) ?? Number.NaN, record: Date.now() };
}
