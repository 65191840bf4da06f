/** A Secret's value that the kubelet gives a worker must be found nowhere else. */
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { streamingJobs } from "../../src/controllers/weir-resources.ts";
import { workerToken } from "../../src/controllers/workers/token.ts";
import { callRecorder } from "../../src/kube/call.ts";
import { fixedServer } from "../../src/kube/credentials.ts";
import { configMaps, events, pods, secrets } from "../../src/kube/resource.ts";
import type { KubeObject, Resource } from "../../src/kube/resource.ts";
import { startApiServer } from "../../src/local/api-server/start.ts";
import { jobCommands } from "../../src/main/job-commands.ts";
import type { PodObject } from "../../src/local/kubelet/pod-feed.ts";
import { datagenJob } from "../builders/datagen-job.ts";
import { filesBelow } from "../builders/files-below.ts";
import { createObject, crdObjects } from "../servers/crd-objects.ts";
import type { WeirCluster } from "../servers/weir-cluster.ts";
import { startWeir } from "../servers/weir-cluster.ts";

/** One value for each place that a user can put a Secret in, so that a leak tells where it came from. */
const PLACES = ["env", "volume", "projected", "username", "password", "tls.key", "token-key"] as const;
type Place = (typeof PLACES)[number];
const canary = (place: Place): string => `canary-${Buffer.from(`${place}-7f3a91c4e2d8`).toString("hex")}`;
/** As it may be written by somebody who did not mean to. */
const formsOf = (value: string): string[] => [
  value,
  Buffer.from(value).toString("base64").replace(/=+$/, ""),
  Buffer.from(value).toString("hex"),
];
const FORMS = PLACES.flatMap((place) => formsOf(canary(place)).map((form) => ({ place, form })));

const namespace = "default";
const logged: string[] = [];
const recorder = callRecorder();
const echo = createServer((socket) => socket.on("error", () => undefined).pipe(socket));
let api: Awaited<ReturnType<typeof startApiServer>>;
let weir: WeirCluster;
let kubeconfig = "";

const secret = (name: string, values: Readonly<Record<string, Place>>) =>
  weir.client.create<KubeObject & { data: object }>(secrets, {
    apiVersion: "v1",
    kind: "Secret",
    metadata: { name, namespace },
    data: Object.fromEntries(
      Object.entries(values).map(([key, place]) => [key, Buffer.from(canary(place)).toString("base64")]),
    ),
  });

beforeAll(async () => {
  api = await startApiServer();
  for (const crd of crdObjects()) await createObject(api, crd);
  weir = await startWeir(fixedServer(api.url), {
    tokenKeys: [canary("token-key")],
    probes: { host: "127.0.0.1", port: 0 },
    interceptors: [recorder.intercept],
    log: (level, message, error) => void logged.push(`${level} ${message} ${String(error)}`),
  });
  kubeconfig = join(weir.claims, "..", "kubeconfig");
  writeFileSync(kubeconfig, api.kubeconfig);
  await secret("mine", { env: "env", file: "volume", part: "projected" });
  await secret("kafka-user", { username: "username", password: "password" });
  await secret("kafka-client", { "tls.crt": "tls.key", "tls.key": "tls.key" });
  echo.listen(0, "127.0.0.1");
  await once(echo, "listening");
});
afterAll(async () => {
  echo.close();
  await weir?.stop();
  await api?.stop();
});

const worker = {
  env: [{ name: "SINK_USER", valueFrom: { secretKeyRef: { name: "mine", key: "env" } } }],
  volumes: [
    { name: "file", secret: { secretName: "mine", items: [{ key: "file", path: "file" }] } },
    { name: "part", secret: { secretName: "mine", items: [{ key: "part", path: "part" }] } },
  ],
  volumeMounts: [
    { name: "file", mountPath: "/etc/credentials" },
    { name: "part", mountPath: "/etc/part" },
  ],
};
const coreEvents: Resource = { group: "", version: "v1", plural: "events", kind: "Event", namespaced: true };
const workerPods = async (job: string): Promise<PodObject[]> =>
  (await weir.client.list<PodObject>(pods, { namespace, labelSelector: `weir.dev/job=${job}` })).items;

/** Everything that anybody can read of Weir, by where it is read. */
async function outputs(): Promise<Record<string, string>> {
  const found: Record<string, string> = { "the operator's log": logged.join("\n") };
  for (const resource of [streamingJobs, pods, configMaps, events, coreEvents])
    found[`${resource.group}/${resource.plural}`] = JSON.stringify(
      (await weir.client.list(resource, { namespace })).items,
    );
  for (const path of ["metrics", "readyz", "healthz"]) {
    const answer = await fetch(`http://127.0.0.1:${weir.operator.probePort}/${path}`);
    found[`the operator's ${path}`] = await answer.text();
  }
  return { ...found, ...filesBelow(weir.claims) };
}

/** What the commands say of a job: `weir why JOB` and `weir explain FILE`. */
async function commandOutputs(job: string): Promise<Record<string, string>> {
  const said: string[] = [];
  const io = {
    out: (line: string) => void said.push(line),
    err: (line: string) => void said.push(line),
    colour: false,
  };
  const file = join(weir.claims, "..", `${job}.json`);
  writeFileSync(file, JSON.stringify(await weir.job(job)));
  for (const command of jobCommands) {
    if (command.name === "why") await command.run([job, "-n", namespace, "--kubeconfig", kubeconfig], io);
    if (command.name === "explain") await command.run([file], io);
  }
  expect(said.length).toBeGreaterThan(4);
  return { [`weir why and explain ${job}`]: said.join("\n") };
}

async function workerOutputs(job: string): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  for (const pod of await workerPods(job)) {
    const { name } = pod.metadata;
    found[`${name}'s log`] = (await weir.logs(name)) ?? "";
    const uid = (await weir.job(job)).metadata.uid ?? "";
    const token = workerToken(canary("token-key"), uid, { epoch: 1, slot: 0 });
    const headers = { authorization: `Bearer ${token}` };
    for (const path of ["metrics", "readyz", "v1/status"]) {
      const answer = await fetch(`http://${pod.status?.podIP}:8080/${path}`, { headers });
      found[`${name}'s ${path}`] = await answer.text();
    }
    expect(JSON.stringify([pod, found])).not.toContain(token);
  }
  return found;
}

const leaks = (found: Record<string, string>): string[] =>
  Object.keys(found).flatMap((where) =>
    FORMS.filter(({ form }) => found[where]?.includes(form)).map(({ place }) => `${place} in ${where}`),
  );
const kafkaJob = (name: string, security: object) => {
  const { port } = echo.address() as AddressInfo;
  const kafka = { brokers: [`127.0.0.1:${port}`], ...security };
  return datagenJob(name, {
    worker,
    pipeline: {
      connections: [{ name: "main", kafka }],
      nodes: [
        { name: "in", source: { connection: "main", kafka: { topics: ["events"] } } },
        { name: "out", from: ["in"], sink: { blackhole: {} } },
      ],
    },
  });
};

describe("a Secret's value", () => {
  it("reaches the worker and no status, event, log, metric, plan or checkpoint, and the operator asks for no Secret", async () => {
    await weir.client.create(streamingJobs, datagenJob("keeps", { worker }));
    await weir.until(
      "keeps",
      "checkpointed",
      (j) => j.status?.state === "RUNNING" && j.status.checkpoint !== undefined,
      90_000,
    );
    const [pod] = await workerPods("keeps");
    const pid = pod?.status?.containerStatuses?.[0]?.containerID?.replace("process://", "");
    const environment = readFileSync(`/proc/${pid}/environ`, "latin1");
    expect(environment).toContain(canary("env"));
    const root =
      environment
        .split("\0")
        .find((line) => line.startsWith("WEIR_POD_ROOT="))
        ?.slice(14) ?? "";
    expect(readFileSync(join(root, "etc/credentials/file"), "utf8")).toBe(canary("volume"));

    const running = await workerOutputs("keeps");
    expect(Object.entries(running).filter(([, text]) => text === "")).toEqual([]);
    const listed = ["/pods", "/configmaps", "events.k8s.io/events", "/events"];
    let found: Record<string, string> = {};
    const unheard = async (): Promise<string[]> => {
      found = await outputs();
      return listed.filter((where) => found[where]?.includes("keeps") !== true);
    };
    await expect.poll(unheard, { timeout: 60_000 }).toEqual([]); // events are written behind the status
    expect(leaks(found)).toEqual([]);
    const annotations = { "weir.dev/stop": "1" };
    await weir.client.patch(streamingJobs, { namespace, name: "keeps" }, { metadata: { annotations } });
    await weir.until("keeps", "stopped", (j) => j.status?.state === "STOPPED", 90_000);

    const all = { ...running, ...(await outputs()), ...(await commandOutputs("keeps")) };
    expect(Object.keys(all).filter((where) => where.endsWith("manifest.json")).length).toBeGreaterThan(0);
    expect(leaks(all)).toEqual([]);
    const bytes = Object.values(all).reduce((sum, text) => sum + text.length, 0);
    console.log(
      `${FORMS.length} forms of ${PLACES.length} secrets searched in ${Object.keys(all).length} outputs, ${bytes} bytes`,
    );
  });

  it.each([
    ["signs-in", { sasl: { mechanism: "Plain", secretRef: { name: "kafka-user" } } }],
    ["scrambles", { sasl: { mechanism: "ScramSha512", secretRef: { name: "kafka-user" } } }],
    ["certified", { tls: { clientSecretRef: { name: "kafka-client" } } }],
  ])("is in no words of a job whose broker answers nonsense, echoing what it is sent: %s", async (name, security) => {
    await weir.client.create(streamingJobs, kafkaJob(name, security));
    await weir.until(
      name,
      "in trouble with its broker",
      (j) => j.status?.conditions?.some((c) => c.type === "Ready" && /worker 0: /.test(c.message)) === true,
      90_000,
    );
    expect(leaks({ ...(await outputs()), ...(await workerOutputs(name)), ...(await commandOutputs(name)) })).toEqual(
      [],
    );
  });

  it("is in no words of a job that cannot start with it", async () => {
    const startFrom = { savepoint: "file:///var/lib/weir/state/nothing" };
    await weir.client.create(streamingJobs, datagenJob("fails", { worker, startFrom }));
    const failed = await weir.until("fails", "failed", (j) => j.status?.failure?.code === "SAVEPOINT_NOT_FOUND");
    expect(leaks({ status: JSON.stringify(failed.status), ...(await outputs()) })).toEqual([]);
  });

  it("was never asked for by the operator", () => {
    expect(recorder.calls.length).toBeGreaterThan(20);
    expect(recorder.calls.filter((call) => call.resource === "secrets")).toEqual([]);
  });

  it("would be found if it leaked", async () => {
    await weir.client.create(
      streamingJobs,
      datagenJob("tells", { worker: { env: [{ name: "A", value: canary("env") }] } }),
    );
    await expect
      .poll(async () => leaks(await outputs()), { timeout: 60_000 })
      .toEqual(expect.arrayContaining(["env in weir.dev/streamingjobs", "env in /configmaps"]));
  });
});
