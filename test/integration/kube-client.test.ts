import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { callRecorder } from "../../src/kube/call.ts";
import type { KubeClient } from "../../src/kube/client.ts";
import { createKubeClient } from "../../src/kube/client.ts";
import { fixedServer } from "../../src/kube/credentials.ts";
import { createEventRecorder } from "../../src/kube/event-recorder.ts";
import type { KubeError } from "../../src/kube/kube-error.ts";
import { isAlreadyExists, isConflict, isExpired, isKubeError, isNotFound } from "../../src/kube/kube-error.ts";
import type { KubeObject } from "../../src/kube/resource.ts";
import { configMaps, events, pods, refOf } from "../../src/kube/resource.ts";
import { systemTimers } from "../../src/kube/timers.ts";
import { createTransport } from "../../src/kube/transport.ts";
import { crashingCalls } from "../../src/local/faults/crash-point.ts";
import type { FaultProxy } from "../../src/local/faults/proxy.ts";
import { startFaultProxy } from "../../src/local/faults/proxy.ts";
import type { RunningApiServer } from "../servers/api-servers.ts";
import { apiServers } from "../servers/api-servers.ts";

interface ConfigMap extends KubeObject {
  data?: Record<string, string>;
}

interface Pod extends KubeObject {
  spec: object;
  status?: { phase?: string; message?: string };
}

const namespace = "default";
const configMap = (name: string, data: Record<string, string> = {}): ConfigMap => ({
  apiVersion: "v1",
  kind: "ConfigMap",
  metadata: { name, namespace },
  data,
});
const pod = (name: string): Pod => ({
  apiVersion: "v1",
  kind: "Pod",
  metadata: { name, namespace },
  spec: { containers: [{ name: "main", image: "example.dev/none:1" }] },
});

/** The error that a call ends in. */
async function failureOf(call: Promise<unknown>): Promise<KubeError> {
  const failure = await call.then(
    () => undefined,
    (e: unknown) => e,
  );
  if (!isKubeError(failure)) throw new Error(`expected a KubeError, got ${String(failure)}`);
  return failure;
}

describe.each(apiServers)("the client on $name", (target) => {
  let running: RunningApiServer;
  let proxy: FaultProxy;
  let direct: KubeClient;
  let faulty: KubeClient;

  beforeAll(async () => {
    running = await target.start();
    proxy = await startFaultProxy(running.server);
    direct = createKubeClient(createTransport({ server: running.server }));
    faulty = createKubeClient(createTransport({ server: fixedServer(proxy.url) }));
  });
  afterAll(async () => {
    await Promise.all([direct.close(), faulty.close()]);
    await proxy.close();
    await running.stop();
  });

  it("creates, reads, changes and deletes an object", async () => {
    const created = await direct.create(configMaps, configMap("life", { a: "1" }));
    expect(created.metadata.uid).toBeTruthy();
    const patched = await direct.patch<ConfigMap>(configMaps, refOf(created), { data: { b: "2" } });
    expect(patched.data).toEqual({ a: "1", b: "2" });
    const updated = await direct.update<ConfigMap>(configMaps, { ...patched, data: { c: "3" } });
    expect((await direct.get<ConfigMap>(configMaps, refOf(created))).data).toEqual({ c: "3" });
    await direct.delete(configMaps, refOf(created), { uid: updated.metadata.uid });
    expect(await direct.find(configMaps, refOf(created))).toBeUndefined();
  });

  it("lists all pages as one snapshot, with kind and apiVersion on every item", async () => {
    await Promise.all(
      Array.from({ length: 7 }, (_, i) => direct.create(configMaps, withLabel(configMap(`page-${i}`)))),
    );
    const all = await direct.list<ConfigMap>(configMaps, { namespace, labelSelector: "of=pages", limit: 3 });
    expect(all.items.map((item) => item.metadata.name)).toEqual(Array.from({ length: 7 }, (_, i) => `page-${i}`));
    expect(all.items.every((item) => item.kind === "ConfigMap" && item.apiVersion === "v1")).toBe(true);
    expect(all.resourceVersion).toMatch(/^\d+$/);
  });

  it("refuses a status written from a stale read, and keeps the newer one", async () => {
    const stale = await direct.create<Pod>(pods, pod("stale-status"));
    await direct.updateStatus<Pod>(pods, { ...stale, status: { ...stale.status, message: "newer" } });
    const failure = await failureOf(
      direct.updateStatus<Pod>(pods, { ...stale, status: { ...stale.status, message: "older" } }),
    );
    expect(isConflict(failure)).toBe(true);
    expect(failure.retry).toBe("Backoff");
    expect((await direct.get<Pod>(pods, refOf(stale))).status?.message).toBe("newer");
  });

  it("refuses to delete another incarnation or a changed object", async () => {
    const first = await direct.create(configMaps, configMap("precondition"));
    await direct.delete(configMaps, refOf(first), { uid: first.metadata.uid });
    const second = await direct.create(configMaps, configMap("precondition"));
    expect(isConflict(await failureOf(direct.delete(configMaps, refOf(first), { uid: first.metadata.uid })))).toBe(
      true,
    );
    await direct.patch(configMaps, refOf(second), { data: { changed: "yes" } });
    const { uid, resourceVersion } = second.metadata;
    expect(isConflict(await failureOf(direct.delete(configMaps, refOf(second), { uid, resourceVersion })))).toBe(true);
    expect((await direct.get<ConfigMap>(configMaps, refOf(second))).data).toEqual({ changed: "yes" });
  });

  it("names the field and its owner when server-side apply meets another manager", async () => {
    await direct.apply(configMaps, configMap("owned", { a: "theirs" }), { fieldManager: "them" });
    const failure = await failureOf(
      direct.apply(configMaps, configMap("owned", { a: "ours" }), { fieldManager: "weir" }),
    );
    expect(isConflict(failure)).toBe(true);
    expect(failure.causes).toMatchObject([{ reason: "FieldManagerConflict", field: ".data.a" }]);
    expect(failure.message).toContain("them");
    const forced = await direct.apply<ConfigMap>(configMaps, configMap("owned", { a: "ours" }), {
      fieldManager: "weir",
      force: true,
    });
    expect(forced.data).toEqual({ a: "ours" });
  });

  it("removes with server-side apply what it no longer applies, and nothing else", async () => {
    await direct.apply(configMaps, configMap("shared", { ours: "1", later: "1" }), { fieldManager: "weir" });
    await direct.patch(configMaps, { namespace, name: "shared" }, { data: { theirs: "1" } });
    const applied = await direct.apply<ConfigMap>(configMaps, configMap("shared", { ours: "2" }), {
      fieldManager: "weir",
    });
    expect(applied.data).toEqual({ ours: "2", theirs: "1" });
  });

  it("says what a caller should do after each kind of refusal", async () => {
    await direct.create(configMaps, configMap("taken"));
    const taken = await failureOf(direct.create(configMaps, configMap("taken")));
    expect([isAlreadyExists(taken), taken.code, taken.retry]).toEqual([true, "API_CONFLICT", "Backoff"]);
    const missing = await failureOf(direct.get(configMaps, { namespace, name: "missing" }));
    expect([isNotFound(missing), missing.code, missing.retry]).toEqual([true, "API_NOT_FOUND", "Backoff"]);
    const invalid = await failureOf(direct.create(configMaps, configMap("Not_A_Name")));
    expect([invalid.code, invalid.retry, invalid.causes[0]?.field]).toEqual([
      "API_REJECTED",
      "Terminal",
      "metadata.name",
    ]);
  });

  it("hands on how long the server wants it to wait", async () => {
    proxy.inject({ match: { verb: "list" }, effect: { kind: "Answer", status: 429, retryAfterSeconds: 7 }, times: 1 });
    const failure = await failureOf(faulty.list(configMaps, { namespace }));
    expect([failure.statusReason, failure.retry, failure.retryAfterMs]).toEqual(["TooManyRequests", "After", 7_000]);
  });

  it("tells an unreachable server from a refusal", async () => {
    proxy.inject({ match: { verb: "get" }, effect: { kind: "Cut", when: "BeforeSend" }, times: 1 });
    const cut = await failureOf(faulty.get(configMaps, { namespace, name: "taken" }));
    expect([cut.httpStatus, cut.code, cut.retry]).toEqual([0, "API_UNAVAILABLE", "Backoff"]);
    const heal = proxy.inject({ match: { verb: "get" }, effect: { kind: "Delay", ms: 3_000 } });
    const hasty = createKubeClient(createTransport({ server: fixedServer(proxy.url), timeoutMs: 500 }));
    const slow = await failureOf(hasty.get(configMaps, { namespace, name: "taken" }));
    heal();
    await hasty.close();
    expect(slow.message).toContain("no answer within 500 ms");
  });

  it("has done a write whose acknowledgement was lost, and nothing after a crash", async () => {
    const crash = crashingCalls({ write: 2, when: "BeforeAcknowledgement" });
    const client = createKubeClient(createTransport({ server: running.server, interceptors: [crash.intercept] }));
    await client.create(configMaps, configMap("crash-1"));
    await expect(client.create(configMaps, configMap("crash-2"))).rejects.toThrow("crashed here");
    await expect(client.create(configMaps, configMap("crash-3"))).rejects.toThrow("crashed here");
    await client.close();
    const there = ["crash-1", "crash-2", "crash-3"].map((name) => direct.find(configMaps, { namespace, name }));
    expect((await Promise.all(there)).map((found) => found !== undefined)).toEqual([true, true, false]);
    expect(crash.writes).toHaveLength(2);
  });

  it("crashes at the same places through the proxy", async () => {
    let crashes = 0;
    proxy.crashAt({ write: 1, when: "AfterAcknowledgement" }, () => crashes++);
    await faulty.create(configMaps, configMap("proxy-crash-1"));
    const after = await failureOf(faulty.create(configMaps, configMap("proxy-crash-2")));
    expect([after.httpStatus, crashes]).toEqual([0, 1]);
    proxy.revive();
    expect(await faulty.find(configMaps, { namespace, name: "proxy-crash-1" })).toBeDefined();
    expect(await faulty.find(configMaps, { namespace, name: "proxy-crash-2" })).toBeUndefined();
  });

  it("records calls in the words of RBAC", async () => {
    const recorder = callRecorder();
    const client = createKubeClient(createTransport({ server: running.server, interceptors: [recorder.intercept] }));
    const made = await client.create<Pod>(pods, pod("recorded"));
    await client.updateStatus<Pod>(pods, made);
    await client.delete(pods, refOf(made), { uid: made.metadata.uid, gracePeriodSeconds: 0 });
    await client.close();
    const place = { group: "", resource: "pods", namespace, name: "recorded" };
    expect(recorder.calls).toEqual([
      { ...place, verb: "create", subresource: undefined },
      { ...place, verb: "update", subresource: "status" },
      { ...place, verb: "delete", subresource: undefined },
    ]);
  });

  it("throws Expired for a watch from a version that the server has forgotten", async () => {
    const { resourceVersion } = await faulty.list(configMaps, { namespace });
    const lines = await faulty.watch(configMaps, { namespace, resourceVersion, timeoutSeconds: 30 });
    expect(proxy.expireWatches()).toBe(1);
    const expiring = Array.fromAsync(lines);
    expect(isExpired(await failureOf(expiring))).toBe(true);
  });

  it("folds the same event into a series", async () => {
    let now = Date.now();
    const recorder = createEventRecorder({
      client: direct,
      controller: "weir.dev/operator",
      instance: "test",
      timers: { ...systemTimers, now: () => now },
    });
    const regarding = await direct.create(configMaps, configMap("evented"));
    const note = "é".repeat(600); // more bytes than the API takes
    for (let i = 0; i < 5; i++) {
      recorder.record(regarding, { type: "Warning", reason: "WorkerLost", action: "Recover", note });
      now += 40_000;
    }
    recorder.record(regarding, { type: "Normal", reason: "Started", action: "Start", note: "4 workers" });
    await recorder.flush();
    const written = await direct.list<KubeObject & { reason: string; series?: { count: number } }>(events, {
      namespace,
    });
    const ours = written.items.filter((event) => event.metadata.name.startsWith("evented."));
    expect(Object.fromEntries(ours.map((event) => [event.reason, event.series?.count]))).toEqual({
      Started: undefined,
      WorkerLost: 4,
    });
    expect(ours).toHaveLength(2);
  });
});

function withLabel(object: ConfigMap): ConfigMap {
  return { ...object, metadata: { ...object.metadata, labels: { of: "pages" } } };
}
