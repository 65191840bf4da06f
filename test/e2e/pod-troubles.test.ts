import { beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { nodeJob } from "../builders/node-job.ts";
import { eventually } from "../servers/node-actions.ts";
import { nodeCluster } from "../servers/node-cluster.ts";
import type { NodeNamespace } from "../servers/node-namespace.ts";
import { installWeir } from "../servers/node-weir.ts";

describe("a job whose pods cannot do what they should", () => {
  const node = nodeCluster();
  let namespace: NodeNamespace;

  beforeAll(async () => {
    namespace = await node.namespace("troubles");
    await installWeir(node, namespace, { values: { replicas: 1 } });
  });

  const condition = async (job: string, type: string): Promise<string> => {
    const found = (await namespace.job(job)).status?.conditions?.find((c) => c.type === type);
    return found === undefined ? "none" : `${found.status} ${found.reason}: ${found.message}`;
  };
  const says = async (job: string, type: string, what: RegExp): Promise<void> => {
    const seen = (): Promise<string> => condition(job, type);
    await eventually(`${job}: ${what}`, async () => (what.test(await seen()) ? true : undefined), { seen });
    console.log(`${job}: ${await seen()}`);
  };
  const runs = (job: string): Promise<void> => namespace.waitFor(`sj/${job}`, "condition=Ready");

  it("waits for an image that cannot be pulled, says which, and runs with another", async () => {
    await namespace.apply(nodeJob("no-image", { image: "localhost/absent:1" }));
    await says("no-image", "Ready", /localhost\/absent:1|ImagePull|ErrImage/);
    expect((await namespace.job("no-image")).status?.state).toBe("CREATED");
    await namespace.apply(nodeJob("no-image"));
    await runs("no-image");
  });

  it("waits for a node that fits, says what is missing, and runs when it is not asked for any more", async () => {
    await namespace.apply(nodeJob("no-node", { nodeSelector: { "example.com/disk": "fast" } }));
    await says("no-node", "Ready", /[Uu]nschedulable|didn't match|affinity/);
    expect((await namespace.job("no-node")).status?.state).toBe("CREATED");
    await namespace.apply(nodeJob("no-node"));
    await runs("no-node");
  });

  it.skipIf(node.actions === undefined)("keeps its state and says so while its volume is full", async () => {
    const { actions } = node;
    const claim = {
      apiVersion: "v1",
      kind: "PersistentVolumeClaim",
      metadata: { name: "small" },
      spec: { accessModes: ["ReadWriteMany"], resources: { requests: { storage: "1Gi" } } },
    };
    await namespace.apply(claim);
    await namespace.waitFor("pvc/small", "jsonpath={.status.phase}=Bound");
    const folder = await namespace.volume("small");
    await actions?.inside(["mount", "-t", "tmpfs", "-o", "size=8m,mode=0777", "tmpfs", folder]);
    onTestFinished(async () => void (await actions?.inside(["umount", "--lazy", folder])));
    const volume = {
      volumes: [{ name: "state", persistentVolumeClaim: { claimName: "small" } }],
      volumeMounts: [{ name: "state", mountPath: "/var/lib/weir" }],
    };
    await namespace.apply(nodeJob("full", volume));
    await runs("full");
    await says("full", "Checkpointing", /^True/);
    await actions?.inside(["sh", "-c", `dd if=/dev/zero of=${folder}/filler bs=64k 2>/dev/null || true`]);
    await says("full", "Checkpointing", /^False .*(ENOSPC|no space)/i);
    await actions?.inside(["rm", `${folder}/filler`]);
    await says("full", "Checkpointing", /^True/);
    await runs("full");
    expect((await namespace.job("full")).status).toMatchObject({ state: "RUNNING", epoch: 1 });
  });

  it.skipIf(node.actions === undefined)("is deleted although a worker hears nothing, once that is forced", async () => {
    await namespace.apply(nodeJob("deaf"));
    await runs("deaf");
    const [pod] = await namespace.pods("weir.dev/job=deaf");
    const pid = await node.actions?.pidOf(pod?.status.containerStatuses?.[0]?.containerID ?? "");
    await node.actions?.inside(["kill", "-STOP", String(pid)]);
    await namespace.kubectl(["delete", "sj", "deaf", "--wait=false"]);
    await namespace.kubectl(["annotate", "sj", "deaf", "weir.dev/force-delete=true"]);
    const began = performance.now();
    await namespace.kubectl(["wait", "sj/deaf", "--for=delete", "--timeout=120s"]);
    console.log(`forced deletion beside a deaf worker: ${((performance.now() - began) / 1000).toFixed(1)} s`);
    const left = (): Promise<unknown[]> => namespace.pods("weir.dev/job=deaf");
    await eventually("no pod is left", async () => ((await left()).length === 0 ? true : undefined), { seen: left });
  });
});
