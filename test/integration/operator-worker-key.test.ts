/** What docs/install/worker-key.md says of a change of the key; test/e2e runs its commands. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { JobObject } from "../../src/controllers/weir-resources.ts";
import { streamingJobs } from "../../src/controllers/weir-resources.ts";
import type { TokenKeys } from "../../src/controllers/workers/token.ts";
import { pods } from "../../src/kube/resource.ts";
import type { RunningOperator } from "../../src/main/operator.ts";
import { datagenJob } from "../builders/datagen-job.ts";
import type { ControlPlane } from "../servers/kubernetes.ts";
import { applyCrds, startControlPlane } from "../servers/kubernetes.ts";
import type { WeirCluster } from "../servers/weir-cluster.ts";
import { startWeir } from "../servers/weir-cluster.ts";

const NAME = "keyed";
const [older, newer] = ["the key of before", "the key of now"];
let plane: ControlPlane;
let weir: WeirCluster;
let operator: RunningOperator;
const logged: string[] = [];

beforeAll(async () => {
  plane = await startControlPlane();
  await applyCrds(plane);
  weir = await startWeir(plane.server, { tokenKeys: [older] });
  operator = weir.operator;
});
afterAll(async () => {
  await weir?.stop();
  await plane?.stop();
});

const ready = ({ status }: JobObject) => status?.conditions?.find((c) => c.type === "Ready");
const isReady = (job: JobObject): boolean => ready(job)?.status === "True";
const podUid = async (name: string): Promise<string | undefined> =>
  (await weir.client.find(pods, { namespace: "default", name }))?.metadata.uid;

async function withKeys(tokenKeys: TokenKeys): Promise<void> {
  await operator.stop();
  const log = (_level: string, message: string, error?: unknown): void =>
    void logged.push(`${message} ${String(error)}`);
  operator = await weir.startOperator({ tokenKeys, log });
  await operator.leading;
}

/** Only a worker that takes the operator's token saves. */
async function save(id: string): Promise<void> {
  const before = (await weir.job(NAME)).status?.savepoint?.uri;
  const annotations = { "weir.dev/savepoint": id };
  await weir.client.patch(streamingJobs, { namespace: "default", name: NAME }, { metadata: { annotations } });
  await weir.until(NAME, `saved (${id})`, (j) => j.status?.savepoint?.uri !== before && isReady(j));
}

describe("when the key of the workers' tokens is changed", () => {
  it("the operator still commands the workers of the old key while it has both", async () => {
    await weir.client.create(streamingJobs, datagenJob(NAME));
    await weir.until(NAME, "ready", isReady);
    const uid = await podUid(`${NAME}-1-0-0`);
    await withKeys([newer, older]);
    await save("1");
    expect(await podUid(`${NAME}-1-0-0`)).toBe(uid);
  });

  it("leaves a worker that goes on unseen when its key is gone, and says so", async () => {
    await withKeys([newer]);
    await weir.until(NAME, "out of reach", (j) => ready(j)?.reason === "Unreachable");
    await expect
      .poll(() => logged.join("\n"))
      .toMatch(/pod keyed-1-0-0 was made with another key than those of tokenKeyFile; put its key back/);
    const pod = await weir.client.get(pods, { namespace: "default", name: `${NAME}-1-0-0` });
    expect(pod).toMatchObject({ status: { phase: "Running" } });
  });

  it("commands the successor of a pod that is deleted, from the last checkpoint", async () => {
    await weir.client.delete(pods, { namespace: "default", name: `${NAME}-1-0-0` });
    await weir.until(NAME, "ready again", isReady);
    expect(await podUid(`${NAME}-1-0-1`)).toBeDefined();
    await save("2");
  });
});
