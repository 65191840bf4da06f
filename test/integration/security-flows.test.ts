/**
 * Who talks to whom: the sockets of the operator's and the workers' own processes while a job lives, held against the chart's
 * NetworkPolicies. The policies are computed here as Kubernetes defines them; no network enforces them in this test.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { loadAll } from "js-yaml";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { OPERATOR_PORT, WORKER_PORT } from "../../src/api/ports.ts";
import type { JobObject } from "../../src/controllers/weir-resources.ts";
import { streamingJobs } from "../../src/controllers/weir-resources.ts";
import { fixedServer } from "../../src/kube/credentials.ts";
import { pods } from "../../src/kube/resource.ts";
import { startApiServer } from "../../src/local/api-server/start.ts";
import type { PodObject } from "../../src/local/kubelet/pod-feed.ts";
import { kafkaJob } from "../builders/datagen-job.ts";
import type { End, NetworkPolicy } from "../builders/network-policy.ts";
import { mayConnect, policiesOf } from "../builders/network-policy.ts";
import { createObject, crdObjects } from "../servers/crd-objects.ts";
import type { GuardedProcess } from "../servers/guarded-process.ts";
import { freePorts } from "../servers/free-ports.ts";
import { startGuarded } from "../servers/guarded-process.ts";
import { chart, startHelm } from "../servers/helm.ts";
import type { KafkaServer } from "../servers/kafka.ts";
import { startKafka } from "../servers/kafka.ts";
import { socketsOf } from "../servers/process-sockets.ts";
import type { WeirCluster } from "../servers/weir-cluster.ts";
import { startWeir } from "../servers/weir-cluster.ts";

const namespace = "default";
const NAME = "flows";
const TOKEN_KEY = "a key of the test, printed nowhere";
const folder = mkdtempSync(join(tmpdir(), "weir-flows-"));
const logFile = join(folder, "operator.log");
let api: Awaited<ReturnType<typeof startApiServer>>;
let kafka: KafkaServer;
let weir: WeirCluster;
let operator: GuardedProcess;
let metricsPort = 0;
let workerLabels: Readonly<Record<string, string>> = {};
/** By process: what it listens on and whom it called, by their addresses. */
const seen = { operator: new Set<string>(), worker: new Set<string>() };
/** Whose addresses these are; a worker's is told by its pod, which may be seen later than its socket, and gone before it. */
const roles = new Map<string, string>();

beforeAll(async () => {
  api = await startApiServer();
  for (const crd of crdObjects()) await createObject(api, crd);
  kafka = await startKafka();
  // This one only brings the kubelet: the operator that is looked at is a process of its own.
  weir = await startWeir(fixedServer(api.url), { namespaces: ["elsewhere"] });
  [metricsPort = 0] = await freePorts(1);
  writeFileSync(join(folder, "key"), TOKEN_KEY);
  writeFileSync(join(folder, "kubeconfig"), api.kubeconfig);
  const config = {
    namespaces: [namespace],
    tokenKeyFile: join(folder, "key"),
    metricsBind: `127.0.0.1:${metricsPort}`,
    leaderElection: { namespace, name: "flows" },
    kubernetes: { resync: "2m" },
    worker: { image: "weir:test" },
  };
  writeFileSync(join(folder, "operator.yaml"), JSON.stringify(config));
  const program = join(import.meta.dirname, "../../src/main/cli.ts");
  const flags = [`--config=${join(folder, "operator.yaml")}`, `--kubeconfig=${join(folder, "kubeconfig")}`];
  const args = [program, "operator", ...flags];
  operator = await startGuarded({ command: process.execPath, args, logFile, folder: join(folder, "guarded") });
});
afterAll(async () => {
  await operator?.stop();
  await weir?.stop();
  await kafka?.close();
  await api?.stop();
  rmSync(folder, { recursive: true, force: true });
});

const isSteady = ({ status }: JobObject): boolean =>
  status?.state === "RUNNING" &&
  status.operation === undefined &&
  status.conditions?.some((c) => c.type === "Checkpointing" && c.status === "True") === true;

/** Said in roles, because the addresses are this machine's. */
const inRoles = (of: ReadonlySet<string>): string[] =>
  [
    ...new Set([...of].map((what) => what.replace(/^calls (.*)$/, (_, to: string) => `calls ${roles.get(to) ?? to}`))),
  ].toSorted();

/** Looks at all processes. */
async function look(): Promise<void> {
  const { items } = await weir.client.list<PodObject>(pods, { namespace });
  roles.set(new URL(api.url).host, "API server").set(kafka.brokers[0] ?? "", "declared source");
  for (const { status } of items) roles.set(`${status?.podIP}:${WORKER_PORT}`, `worker ${WORKER_PORT}`);
  const note = (set: Set<string>, pid: number): void => {
    const { listens, called } = socketsOf(pid);
    for (const port of listens) set.add(`listens on ${port === metricsPort ? OPERATOR_PORT : port}`);
    for (const target of called) set.add(`calls ${target}`);
  };
  note(seen.operator, operator.pid);
  for (const pod of items) {
    workerLabels = pod.metadata.labels ?? {};
    const pid = Number(pod.status?.containerStatuses?.[0]?.containerID?.replace("process://", ""));
    if (pid > 0) note(seen.worker, pid);
  }
}

async function until(what: string, fits: (job: JobObject) => boolean): Promise<void> {
  for (const deadline = Date.now() + 120_000; ;) {
    await look();
    const job = await weir.job(NAME);
    if (fits(job)) return;
    if (Date.now() > deadline)
      throw new Error(`never ${what}: ${JSON.stringify(job.status, null, 1)}\n${operator.logTail()}`);
    await delay(100);
  }
}

describe("the processes of a job that lives", () => {
  it("call the API server, the workers and what the job names, and listen on their one port", async () => {
    await kafka.createTopic("events", 4);
    await kafka.produce({ topic: "events" }, [{ key: "k", value: '{"a":1}' }]);
    const job = kafkaJob(NAME, kafka.brokers[0] ?? "");
    await weir.client.create(streamingJobs, job);
    await until("steady", isSteady);
    const annotations = { "weir.dev/scale": "2@1" };
    await weir.client.patch(streamingJobs, { namespace, name: NAME }, { metadata: { annotations } });
    await until("scaled", (j) => j.status?.epoch === 2 && isSteady(j));
    await weir.client.patch(
      streamingJobs,
      { namespace, name: NAME },
      { metadata: { annotations: { "weir.dev/stop": "1" } } },
    );
    await until("stopped", (j) => j.status?.state === "STOPPED");
    expect(inRoles(seen.operator)).toEqual([
      "calls API server",
      `calls worker ${WORKER_PORT}`,
      `listens on ${OPERATOR_PORT}`,
    ]);
    expect(inRoles(seen.worker)).toEqual(["calls declared source", `listens on ${WORKER_PORT}`]);
  });

  it("were told their configuration by a file, which the operator printed once and without its key", () => {
    const log = readFileSync(logFile, "utf8");
    const printed = log.split("\n").filter((line) => line.includes('"msg":"configuration"'));
    expect(printed).toHaveLength(1);
    expect(JSON.parse(printed[0] ?? "")).toMatchObject({
      config: { namespaces: [namespace], kubernetes: { resync: 120_000 }, worker: { image: "weir:test" } },
    });
    expect(log).not.toContain(TOKEN_KEY);
  });
});

interface Rendered {
  readonly kind: string;
  readonly spec?: { readonly template?: { readonly metadata: { readonly labels: Readonly<Record<string, string>> } } };
}

describe("the chart's NetworkPolicies", () => {
  let policies: NetworkPolicy[] = [];
  let inOperator: End = { namespace: "weir-system", labels: {} };
  const monitoring: End = { namespace: "monitoring", labels: {} };
  const stranger: End = { namespace, labels: { app: "other" } };
  const worker = (): End => ({ namespace, labels: workerLabels });
  const may = (from: End, to: End, port: number): boolean => mayConnect(policies, from, to, port);

  beforeAll(async () => {
    const helm = await startHelm("helm");
    const from =
      "networkPolicy.metricsFrom[0].namespaceSelector.matchLabels.kubernetes\\.io/metadata\\.name=monitoring";
    const sets = [`watchNamespaces={${namespace}}`, from, "workerKey.existingSecret=key"].flatMap((s) => ["--set", s]);
    const text = await helm.ok(["template", "weir", chart, "-n", "weir-system", ...sets]).finally(helm.stop);
    const objects = (loadAll(text) as (Rendered | null)[]).filter((object) => object !== null);
    policies = objects.filter((object) => object.kind === "NetworkPolicy") as unknown as NetworkPolicy[];
    const deployment = objects.find((object) => object.kind === "Deployment");
    inOperator = { namespace: "weir-system", labels: deployment?.spec?.template?.metadata.labels ?? {} };
    expect(JSON.stringify(deployment)).toContain(`"containerPort":${OPERATOR_PORT}`);
  });

  it("select the operator and its workers, by the labels that they really have", () => {
    expect(policiesOf(policies, inOperator)).toHaveLength(1);
    expect(policiesOf(policies, worker())).toHaveLength(1);
    expect(policiesOf(policies, stranger)).toEqual([]);
  });

  it("let through what was seen", () => {
    for (const port of [443, 6443]) expect(may(inOperator, { address: "10.96.0.1" }, port)).toBe(true);
    expect(may(inOperator, worker(), WORKER_PORT)).toBe(true);
    expect(may(worker(), { address: "10.1.2.3" }, 9092)).toBe(true);
    expect(may(monitoring, inOperator, OPERATOR_PORT)).toBe(true);
    expect(may(monitoring, worker(), WORKER_PORT)).toBe(true);
  });

  it("let nothing else through", () => {
    expect(may(inOperator, { address: "10.1.2.3" }, 9092)).toBe(false);
    expect(may(inOperator, stranger, WORKER_PORT)).toBe(false);
    expect(may(inOperator, worker(), 22)).toBe(false);
    expect(may(stranger, worker(), WORKER_PORT)).toBe(false);
    expect(may(stranger, inOperator, OPERATOR_PORT)).toBe(false);
    expect(may(worker(), worker(), WORKER_PORT)).toBe(false);
    expect(may(worker(), inOperator, OPERATOR_PORT)).toBe(false);
    expect(may(worker(), { address: "169.254.169.254" }, 80)).toBe(false);
    expect(may(monitoring, worker(), 22)).toBe(false);
  });
});
