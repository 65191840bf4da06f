/** The example of config/argocd on a real node, as docs/install/argocd.md applies it, from a Git repository of the test's own. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import { streamingJobs } from "../../src/controllers/weir-resources.ts";
import type { JobObject } from "../../src/controllers/weir-resources.ts";
import { createKubeClient } from "../../src/kube/client.ts";
import { serverFromKubeconfig } from "../../src/kube/kubeconfig.ts";
import { createTransport } from "../../src/kube/transport.ts";
import { startArgoCD } from "./argocd.ts";
import { askedArgo } from "./argocd-lua.ts";
import { startReader } from "./docs-page.ts";
import { eventually } from "./node-actions.ts";
import type { NodeCluster } from "./node-cluster.ts";
import { forgetWeir } from "./node-forget.ts";
import type { NodePod } from "./node-namespace.ts";
import { watchAvailable, watchEndings } from "./node-watch.ts";
import { toolBinary } from "./tools.ts";

export const example = join(import.meta.dirname, "../../config/argocd/example");
export const exampleFile = (file: string): string => readFileSync(join(example, file), "utf8");
export const NAMESPACE = "weir-system";
export const APPLICATION = "weir";
export const JOB = "realtime-etl";

export type ArgoStage = Awaited<ReturnType<typeof startArgoStage>>;

export async function startArgoStage(node: NodeCluster) {
  await Promise.all([toolBinary("argocd"), toolBinary("helm3")]); // built here, outside of any test's time
  await forgetWeir(node, NAMESPACE);
  const { kubeconfigPath } = node.facts;
  const server = await serverFromKubeconfig(kubeconfigPath);
  const transport = createTransport({ server });
  const client = createKubeClient(transport);
  const reader = await startReader(kubeconfigPath);
  const available = await watchAvailable(client, NAMESPACE);
  const argo = await startArgoCD({ kubeconfigPath, server, kubectl: node.tryKubectl });
  const stops: (() => Promise<void>)[] = [available.stop];
  const times: string[] = [];

  const here = (...args: readonly string[]): Promise<string> => node.kubectl([...args, "-n", NAMESPACE]);
  const ref = { namespace: NAMESPACE, name: JOB };
  const job = (): Promise<JobObject> => client.get<JobObject>(streamingJobs, ref);
  const untilJob = async (what: string, fits: (job: JobObject) => boolean): Promise<JobObject> => {
    let seen: JobObject | undefined;
    const look = async (): Promise<JobObject | undefined> => {
      seen = await client.find<JobObject>(streamingJobs, ref);
      return seen !== undefined && fits(seen) ? seen : undefined;
    };
    return eventually(what, look, { seen: () => seen });
  };
  const podsOf = async (selector: string): Promise<NodePod[]> =>
    (await node.get<{ items: NodePod[] }>(["pods", "-n", NAMESPACE, "-l", selector])).items;
  /** Ready, and of the image that was built here. */
  const readyPods = async (selector: string): Promise<NodePod[]> => {
    const { repository, tag } = node.facts.image;
    return (await podsOf(selector)).filter(({ spec, status }) => {
      expect(spec.containers.map(({ image }) => image)).toEqual([`${repository}:${tag}`]);
      return status.containerStatuses?.every(({ ready }) => ready) === true;
    });
  };

  return {
    argo,
    reader,
    /** When each Deployment was available for the first time; its own condition tells of the last time. */
    available: available.since,
    here,
    job,
    untilJob,
    podsOf,
    /** The kubelet asks a worker some seconds after the operator has heard it run. */
    untilReadyPods: (selector: string, count: number): Promise<NodePod[]> =>
      eventually(`${count} ready of ${selector}`, async () => {
        const pods = await readyPods(selector);
        return pods.length === count ? pods : undefined;
      }),
    watchEndings: async (): Promise<readonly string[]> => {
      const endings = await watchEndings(client, NAMESPACE);
      stops.push(endings.stop);
      return endings.seen;
    },
    timed: async <T>(what: string, doing: () => Promise<T>): Promise<T> => {
      const started = performance.now();
      const result = await doing();
      times.push(`${what} ${((performance.now() - started) / 1000).toFixed(1)} s`);
      return result;
    },
    commit: async (files: Readonly<Record<string, string | null>>): Promise<string> => {
      const revision = await argo.commit(files);
      await argo.refresh(APPLICATION);
      return revision;
    },
    /** What a click on an action does. */
    click: async (action: string): Promise<void> => {
      const [patch] = await askedArgo<object>([{ run: action, object: await job() }]);
      await client.patch(streamingJobs, ref, patch ?? {}, { fieldValidation: "Strict" });
    },
    stop: async (): Promise<void> => {
      if (times.length > 0) console.log(`Argo CD: ${times.join(", ")}; ${argo.figures()}`);
      for (const stop of stops) await stop();
      reader.stop();
      await argo.remove();
      await transport.close();
    },
  };
}

/** Of the page's commands: the image that the node has, and on KinD what its volumes can do. */
export function ownValues(node: NodeCluster): string {
  const { repository, tag } = node.facts.image;
  const modes = node.actions === undefined ? "accessModes: [ReadWriteOnce], " : "";
  const image = `s#^ *workerKey:#          image: {repository: ${repository}, tag: "${tag}"}\\n&#`;
  return [image, `s#stateClaim: {#&${modes}#`]
    .map((edit) => `sed -i '${edit}' config/argocd/example/application.yaml`)
    .join("\n");
}
