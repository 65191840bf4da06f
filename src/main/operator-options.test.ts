import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { operatorFlags } from "./operator-options.ts";
import { optionsOf } from "./operator-process.ts";

const folder = mkdtempSync(join(tmpdir(), "weir-config-"));
afterAll(() => rmSync(folder, { recursive: true }));
const KEY = "--token-key-file=/key";

let files = 0;
function fileOf(text: string): string {
  const file = join(folder, `${files++}.yaml`);
  writeFileSync(file, text);
  return file;
}
const configured = (text: string, argv: readonly string[] = [KEY], environment: Record<string, string> = {}) =>
  operatorFlags([`--config=${fileOf(text)}`, ...argv], environment).then(({ config }) => config);

describe("the operator's flags", () => {
  it("come from the command line before the environment before the file, and have defaults", async () => {
    const file = fileOf("{logLevel: warn, worker: {image: a, stateClaim: from-file}, metricsBind: ':1'}");
    const { config } = await operatorFlags([KEY, "--worker-image=c"], {
      WEIR_CONFIG: file,
      WEIR_WORKER_IMAGE: "b",
      WEIR_METRICS_BIND: ":2",
      WEIR_LEADER_ELECT: "false",
    });
    expect(config).toMatchObject({
      logLevel: "warn",
      metricsBind: ":2",
      worker: { image: "c", stateClaim: "from-file" },
      leaderElection: { enabled: false, leaseDuration: 15_000 },
      kubernetes: { timeout: 30_000, resync: 600_000 },
    });
  });

  it("are refused by name when they are wrong", async () => {
    await expect(operatorFlags([], {})).rejects.toThrow(/tokenKeyFile: is missing/);
    await expect(operatorFlags([KEY, "--metrics-bind=here"], {})).rejects.toThrow(/--metrics-bind: must be host:port/);
    await expect(operatorFlags([KEY], { WEIR_LEADER_ELECT: "yes" })).rejects.toThrow(/WEIR_LEADER_ELECT: .*"yes"/);
    await expect(operatorFlags(["--nonsense"], {})).rejects.toThrow(/nonsense/);
  });
});

describe("the watched namespaces", () => {
  const scope = async (argv: readonly string[], text = "{}") =>
    optionsOf(await configured(text, [KEY, ...argv]), "own");

  it("are the operator's own unless some are named, each once", async () => {
    expect((await scope([])).namespaces).toEqual(["own"]);
    expect((await scope(["--namespace="])).namespaces).toEqual(["own"]);
    expect((await scope(["--namespace=a, b", "--namespace=c", "--namespace=a"])).namespaces).toEqual(["a", "b", "c"]);
  });

  it("are all of them only when that is said", async () => {
    expect((await scope(["--all-namespaces"])).namespaces).toBeUndefined();
    await expect(scope(["--all-namespaces", "--namespace=a"])).rejects.toThrow(/exclude each other/);
    await expect(scope([], "{allNamespaces: true, namespaces: [a]}")).rejects.toThrow(/exclude each other/);
  });

  it("of the command line replace those of the file, whatever kind they are", async () => {
    expect((await scope(["--namespace=a"], "{allNamespaces: true}")).namespaces).toEqual(["a"]);
    expect((await scope(["--all-namespaces"], "{namespaces: [a]}")).namespaces).toBeUndefined();
  });

  it("have the names of namespaces", async () => {
    await expect(scope(["--namespace=Not_One"])).rejects.toThrow(/--namespace: must be the name of a namespace/);
  });
});

describe("the operator's configuration file", () => {
  it.each([
    ["logLevel: loud", /logLevel: /],
    ["worker: {imagePullPolicy: Sometimes}", /worker\.imagePullPolicy: /],
    ["leaderElection: {leaseDuration: 5s}", /leaderElection\.renewDeadline: must be shorter than leaseDuration/],
    ["leaderElection: {leaseDuration: soon}", /leaderElection\.leaseDuration: must be a duration/],
    ["kubernetes: {resync: 1s}", /kubernetes\.resync: must be between 1m and 24h/],
    ["reconcile: {concurrency: 0}", /reconcile\.concurrency: /],
    ["worker: {resources: {limits: {memory: lots}}}", /worker\.resources\.limits\.memory: must be a quantity/],
    ["worker: {resources: {limits: {cpu: 1}}}", /worker\.resources\.limits: must name memory/],
    ["worker: {podSecurityContext: {runAsUser: 0}}", /worker\.podSecurityContext\.runAsUser: must not be root/],
    ["workerCalls: {silence: 1s}", /workerCalls\.silence: must be between 3s and 5m/],
    ["reconcile: {lostPodAfter: 1s}", /reconcile\.lostPodAfter: must be between 10s and 1h/],
    ["worker: {imagee: x}", /worker: Unrecognized key: "imagee"/],
    ["worker: [1]", /worker: /],
    ["logLevel: info\nlogLevel: warn", /not YAML: .*duplicated/],
    ["- logLevel: info", /must be one map of fields/],
    ["a: [", /not YAML/],
  ])("is refused with the field's path: %s", async (text, message) => {
    await expect(configured(text)).rejects.toThrow(message);
  });

  it("says when a worker is silent, when a pod is lost, and which user the platform chooses", async () => {
    const text = "{workerCalls: {silence: 10s}, reconcile: {lostPodAfter: 2m}, worker: {podSecurityContext: {}}}";
    expect(optionsOf(await configured(text), "own")).toMatchObject({
      tuning: { silenceMs: 10_000, lostAfterMs: 120_000 },
      workerDefaults: { podSecurityContext: {} },
    });
    expect(optionsOf(await configured("{}"), "own").workerDefaults?.podSecurityContext).toEqual({
      runAsUser: 65532,
      runAsGroup: 65532,
      fsGroup: 65532,
    });
  });

  it("may be empty, must be there when it is named, and has a bound", async () => {
    expect((await configured("")).worker.stateClaim).toBe("weir-state");
    expect((await configured("# nothing\n---\n")).worker.stateClaim).toBe("weir-state");
    await expect(configured("x".repeat(70_000))).rejects.toThrow(/larger than 65536 bytes/);
    await expect(operatorFlags([KEY, "--config=/nowhere.yaml"], {})).rejects.toThrow(/\/nowhere\.yaml/);
  });
});
