/**
 * From the chart of the version before to this one, then away and back, while the quickstart's workers run. The older image
 * is this one's bytes under the older tag: what is tested is what the chart and the operator do with a new version.
 * WEIR_PREVIOUS_IMAGE names an archive with the older version's own image, as `make image` wrote it there.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { load } from "js-yaml";
import { beforeAll, describe, expect, it } from "vitest";
import { VERSION } from "../../src/main/version.ts";
import {
  JOB,
  LAST_OF_BACKLOG,
  comparedWithComputed,
  lastWindow,
  resultsIn,
  samples,
  untilWindow,
} from "../builders/quickstart-results.ts";
import { eventually } from "../servers/node-actions.ts";
import { nodeCluster } from "../servers/node-cluster.ts";
import type { NodeNamespace, NodePod } from "../servers/node-namespace.ts";
import { clusterScript, repository } from "../servers/node-script.ts";
import { type WeirRelease, installWeir } from "../servers/node-weir.ts";

const PREVIOUS = "0.1.0";
const previousChart = join(repository, `test/fixtures/charts/weir-${PREVIOUS}.tgz`);

interface Kind {
  readonly metadata: { readonly labels: Readonly<Record<string, string>> };
  readonly spec: { readonly names: { readonly plural: string }; readonly versions: readonly { schema: object }[] };
}

const node = nodeCluster();
const { repository: image, tag } = node.facts.image;

describe.skipIf(node.actions === undefined)(`an upgrade from ${PREVIOUS} to ${VERSION} on a real node`, () => {
  let namespace: NodeNamespace;
  let weir: WeirRelease;
  let volume: string;
  let before: { readonly epoch: number | undefined; readonly workers: string[]; readonly key: string };

  const imageOf = (pod: NodePod | undefined): string | undefined => pod?.spec.containers[0]?.image;
  const pods = async (): Promise<NodePod[]> => namespace.pods(`weir.dev/job=${JOB}`);
  /** Each worker as it is: another line is another pod, or another container. */
  const workers = async (): Promise<string[]> =>
    (await pods()).map(({ metadata, status }) => {
      const restarts = status.containerStatuses?.map((c) => c.restartCount).join();
      return `${metadata.name} ${metadata.uid} restarted ${restarts} times`;
    });
  const key = (): Promise<string> => namespace.kubectl(["get", "secret/weir-worker-key", "-o", "jsonpath={.data.key}"]);
  const kinds = async (): Promise<Kind[]> =>
    (await node.get<{ items: Kind[] }>(["crds", "-l", "app.kubernetes.io/name=weir"])).items;
  const charts = async (): Promise<unknown[]> =>
    (await kinds()).map(({ metadata }) => metadata.labels["helm.sh/chart"]);
  const settled = async (count: number): Promise<void> => {
    await namespace.waitFor(`sj/${JOB}`, `jsonpath={.status.parallelism.ready}=${count}`);
    await namespace.waitFor(`sj/${JOB}`, "jsonpath={.status.state}=RUNNING");
    await namespace.waitFor(`sj/${JOB}`, "condition=Ready");
  };
  /** A whole window that was not there before. */
  const resultsGoOn = (): Promise<void> => untilWindow(volume, lastWindow(volume) + 1);
  const expectUntouched = async (): Promise<void> => {
    expect(await workers()).toEqual(before.workers);
    expect((await namespace.job(JOB)).status?.epoch).toBe(before.epoch);
    expect(await key()).toBe(before.key);
  };

  beforeAll(async () => {
    const archive = process.env["WEIR_PREVIOUS_IMAGE"];
    if (archive === undefined) await node.actions?.tagImage(`${image}:${tag}`, `${image}:${PREVIOUS}`);
    else await clusterScript(node.facts.cluster ?? 0, ["load", archive]);
    namespace = await node.namespace("upgrade");
    const values = { image: { repository: image, tag: PREVIOUS } };
    weir = await installWeir(node, namespace, { chart: previousChart, values });
  });

  it("begins with the chart, the kinds and the workers of the version before", async () => {
    expect(await charts()).toEqual(Array.from({ length: 3 }, () => `weir-${PREVIOUS}`));
    await namespace.apply(join(samples, "job.yaml"), join(samples, "policy.yaml"));
    await settled(4);
    volume = await namespace.volume();
    await untilWindow(volume, LAST_OF_BACKLOG);
    await namespace.waitFor(`sj/${JOB}`, "condition=Checkpointing");
    expect(new Set((await pods()).map(imageOf))).toEqual(new Set([`${image}:${PREVIOUS}`]));
    before = { epoch: (await namespace.job(JOB)).status?.epoch, workers: await workers(), key: await key() };
    expect(before.workers).toHaveLength(4);
  });

  it("brings the new kinds and a new leader, and touches no worker", async () => {
    const began = performance.now();
    await weir.upgrade({});
    const leads = async (): Promise<true | undefined> => {
      const leader = await weir.leader();
      const pod = (await weir.operatorPods()).find(({ metadata }) => metadata.name === leader);
      return imageOf(pod) === `${image}:${tag}` ? true : undefined;
    };
    await eventually(`an operator of ${VERSION} leads`, leads, { seen: () => weir.operatorPods() });
    console.log(`upgrade to a new leader: ${((performance.now() - began) / 1000).toFixed(1)} s`);
    expect(await charts()).toEqual(Array.from({ length: 3 }, () => `weir-${VERSION}`));
    for (const { spec } of await kinds()) {
      const file = load(readFileSync(join(repository, `crds/${spec.names.plural}.yaml`), "utf8")) as Kind;
      expect(spec.versions.map(({ schema }) => schema)).toEqual(file.spec.versions.map(({ schema }) => schema));
    }
    await resultsGoOn();
    await settled(4);
    await expectUntouched();
  });

  it("keeps kinds, jobs, running workers, claim and key when it is uninstalled", async () => {
    await weir.uninstall();
    await eventually("no operator", async () => ((await weir.operatorPods()).length === 0 ? true : undefined));
    expect(await kinds()).toHaveLength(3);
    await resultsGoOn();
    await expectUntouched();
    expect(await namespace.kubectl(["get", "pvc,serviceaccounts,deployments,roles", "-o", "name"])).toBe(
      ["persistentvolumeclaim/weir-state", "serviceaccount/default", "serviceaccount/weir-worker", ""].join("\n"),
    );
  });

  it("adopts them when it is installed again, and has lost and repeated nothing", async () => {
    const began = performance.now();
    weir = await installWeir(node, namespace);
    await weir.leader();
    await settled(4);
    console.log(`installed again to a job that is ready: ${((performance.now() - began) / 1000).toFixed(1)} s`);
    await resultsGoOn();
    await expectUntouched();
    const { written, due, wrong, missing } = comparedWithComputed(resultsIn(volume));
    expect({ written, wrong: wrong.slice(0, 5), missing: missing.slice(0, 5) }).toEqual({
      written: due,
      wrong: [],
      missing: [],
    });
    console.log(`${written} result records over upgrade, uninstall and install, each once`);
  });

  it("replaces a worker by one of its epoch's image, and takes the new image at the job's next relaunch", async () => {
    const [first] = await pods();
    await namespace.kubectl(["delete", "pod", first?.metadata.name ?? ""]);
    const others = async (): Promise<NodePod | undefined> =>
      (await pods()).find((pod) => before.workers.every((line) => !line.includes(pod.metadata.uid ?? "")));
    const replacement = await eventually("a replacement", others, { seen: workers });
    expect(imageOf(replacement)).toBe(`${image}:${PREVIOUS}`);
    await settled(4);
    expect((await namespace.job(JOB)).status?.epoch).toBe(before.epoch);
    await namespace.kubectl(["scale", `sj/${JOB}`, "--replicas=2"]);
    await namespace.waitFor(`sj/${JOB}`, "jsonpath={.status.parallelism.effective}=2");
    await settled(2);
    expect(new Set((await pods()).map(imageOf))).toEqual(new Set([`${image}:${tag}`]));
  });
});
