import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { loadAll } from "js-yaml";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { DatagenSource } from "../../src/api/datagen.schema.ts";
import type { JobObject } from "../../src/controllers/weir-resources.ts";
import { datagenGenerator } from "../../src/engine/connectors/datagen/generator.ts";
import type { KubeObject } from "../../src/kube/resource.ts";
import { pods } from "../../src/kube/resource.ts";
import type { PodObject } from "../../src/local/kubelet/pod-feed.ts";
import { datagenJob } from "../builders/datagen-job.ts";
import type { Seen, UserCluster } from "../servers/user-cluster.ts";
import { condition, startUserCluster, told } from "../servers/user-cluster.ts";

const sample = join(import.meta.dirname, "../../config/samples/functions");
const QUIET_MS = 300;
const PATIENCE = { timeout: 120_000, interval: 100 };

let cluster: UserCluster;
beforeAll(async () => {
  cluster = await startUserCluster();
});
afterAll(() => cluster?.stop());

const isRunning = (job: Seen): boolean => job.status?.state === "RUNNING" && condition(job, "Ready")?.status === "True";
const untilRunning = (name: string): Promise<Seen> => cluster.until("StreamingJob", name, isRunning);

/** Lines of whole records: a worker that was killed leaves its last one unfinished. */
function written(folder: string): string[] {
  const path = join(cluster.volume, folder);
  try {
    return readdirSync(path).flatMap((part) => readFileSync(join(path, part), "utf8").split("\n").slice(0, -1));
  } catch {
    return [];
  }
}

interface WorkerPod {
  readonly name: string;
  readonly pid: number;
  readonly restarts: number;
}

async function workers(job: string): Promise<readonly WorkerPod[]> {
  const { items } = await cluster.client.list<PodObject>(pods, {
    namespace: "default",
    labelSelector: `weir.dev/job=${job}`,
  });
  return items.flatMap(({ metadata, status }) => {
    const [container] = status?.containerStatuses ?? [];
    const pid = Number(container?.containerID?.replace("process://", ""));
    return container === undefined || Number.isNaN(pid)
      ? []
      : [{ name: metadata.name, pid, restarts: container.restartCount }];
  });
}

/** The process of the worker that has the first slot, as soon as there is another than before. */
async function firstWorker(job: string, before: number): Promise<number> {
  const isFirst = new RegExp(`^${job}-\\d+-0-\\d+$`);
  let found: number | undefined;
  const look = async (): Promise<boolean> => {
    found = (await workers(job)).find((w) => isFirst.test(w.name) && w.pid !== before && isAlive(w.pid))?.pid;
    return found !== undefined;
  };
  await expect.poll(look, PATIENCE).toBe(true);
  return found ?? 0;
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

describe("the sample with a function of state and timers", () => {
  const COUNT = 12_000;

  it("tells every silence of every tenant, and nothing else, over kill -9 of its workers", async () => {
    const { stdout } = await cluster.kubectl(["kustomize", sample]);
    const objects = loadAll(stdout) as KubeObject[];
    const job = objects.find((o) => o.kind === "StreamingJob") as JobObject & { spec: SilenceSpec };
    const datagen = job.spec.pipeline.nodes[0]?.source?.datagen as DatagenSource;
    // Bounded, so that all is known, and slow enough to be killed in between.
    Object.assign(datagen, { rate: 0, count: COUNT, readRate: 250 });
    await cluster.apply(...objects);
    await untilRunning("silences");
    let pid = 0;
    for (let kill = 0; kill < 3; kill++) {
      const before = written("silences").length;
      pid = await firstWorker("silences", pid);
      await expect.poll(() => written("silences").length, PATIENCE).toBeGreaterThan(before);
      process.kill(pid, "SIGKILL");
    }
    const expected = silences(datagen);
    await expect.poll(() => new Set(written("silences")).size, PATIENCE).toBeGreaterThanOrEqual(expected.size);
    const found = written("silences");
    expect([...new Set(found)].toSorted()).toEqual([...expected].toSorted());
    console.log(
      `functions: ${expected.size} changes told of ${COUNT} records over 3 kill -9, ${found.length} with repetitions`,
    );
  });
});

interface SilenceSpec {
  readonly pipeline: { readonly nodes: readonly { readonly source?: { readonly datagen?: DatagenSource } }[] };
}

/** The same computed here, from the generator alone. */
function silences(datagen: DatagenSource): Set<string> {
  const generator = datagenGenerator(datagen);
  const { splits = 0, count = 0 } = datagen;
  const buf = Buffer.alloc(generator.maxBytes);
  const last = new Map<string, number>();
  const changes: object[] = [];
  for (let split = 0; split < splits; split++)
    for (let index = 0; index < count / splits; index++) {
      const text = buf.toString("utf8", 0, generator.write(buf, 0, { split, index }));
      const { tenant, ts } = JSON.parse(text) as { tenant: string; ts: number };
      const before = last.get(tenant) ?? ts;
      if (ts - before >= QUIET_MS)
        changes.push({ tenant, quietSince: before }, { tenant, backAt: ts, after: ts - before });
      last.set(tenant, ts);
    }
  for (const [tenant, ts] of last) changes.push({ tenant, quietSince: ts });
  return new Set(changes.map((change) => JSON.stringify(change)));
}

/** A job that sends each event through a function and writes what it gives. */
function functionJob(name: string, key = "f.mjs"): JobObject {
  const job = datagenJob(name) as JobObject & { spec: { pipeline: { nodes: object[]; functions?: object[] } } };
  const [events, , out] = job.spec.pipeline.nodes;
  job.spec.pipeline.functions = [{ name: "f", module: { configMapRef: { name, key } } }];
  job.spec.pipeline.nodes = [
    events as object,
    { name: "x", from: ["events"], process: { function: "f" } },
    { ...out, from: ["x"] },
  ];
  return job;
}

const configMap = (name: string, code: string): object => ({
  apiVersion: "v1",
  kind: "ConfigMap",
  metadata: { name, namespace: "default" },
  data: { "f.mjs": code },
});

describe("the code of a job", () => {
  it("is waited for, is that of its start until it starts anew, and is found where it throws", async () => {
    const gives = (what: string): object => configMap("code", `export default (event, { emit }) => emit(${what});\n`);
    const results = (): string[] => written("results/code");
    await cluster.apply(functionJob("code"));
    const waiting = await cluster.until(
      "StreamingJob",
      "code",
      (j) => condition(j, "Ready")?.reason === "InvalidFunction",
    );
    expect(condition(waiting, "Ready")?.message).toContain(
      'key "f.mjs" of ConfigMap "code", but there is no such ConfigMap',
    );
    await cluster.apply(gives("1"));
    await untilRunning("code");
    await expect.poll(() => results().includes("1"), PATIENCE).toBe(true);

    await cluster.apply(gives("2"));
    process.kill(await firstWorker("code", 0), "SIGKILL");
    await expect.poll(async () => (await workers("code"))[0]?.restarts, PATIENCE).toBe(1);
    await untilRunning("code");
    const before = results().length;
    await expect.poll(() => results().length, PATIENCE).toBeGreaterThan(before + 2_000);
    expect(results()).not.toContain("2");

    await cluster.kubectl(["annotate", "sj", "code", "weir.dev/restart=new-code"]);
    await expect.poll(() => results().includes("2"), PATIENCE).toBe(true);

    await cluster.apply(configMap("code", "export default ({ missing }) => {\n  missing.field;\n};\n"));
    await cluster.kubectl(["annotate", "--overwrite", "sj", "code", "weir.dev/restart=broken-code"]);
    const failed = await cluster.until("StreamingJob", "code", (j) => j.status?.state === "FAILED");
    expect(told(failed, "Stalled")).toMatch(
      /node "x", record events-\d@\d+: function "f" \(f\.mjs:2:\d+\) threw TypeError: Cannot read properties of undefined/,
    );
    await cluster.remove("StreamingJob", "code");
  });
});
