import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { KubeClient } from "../../src/kube/client.ts";
import { createKubeClient } from "../../src/kube/client.ts";
import { fixedServer } from "../../src/kube/credentials.ts";
import type { RunningInformer } from "../../src/kube/informer.ts";
import { createInformer } from "../../src/kube/informer.ts";
import type { RecordingMeter } from "../../src/kube/meter.ts";
import { recordingMeter } from "../../src/kube/meter.ts";
import type { KubeObject } from "../../src/kube/resource.ts";
import { configMaps, keyOf, refOf } from "../../src/kube/resource.ts";
import type { Change } from "../../src/kube/store.ts";
import type { Timers } from "../../src/kube/timers.ts";
import { systemTimers } from "../../src/kube/timers.ts";
import { createTransport } from "../../src/kube/transport.ts";
import { createWorkQueue } from "../../src/kube/work-queue.ts";
import type { FaultProxy } from "../../src/local/faults/proxy.ts";
import { startFaultProxy } from "../../src/local/faults/proxy.ts";
import type { RunningApiServer } from "../servers/api-servers.ts";
import { apiServers } from "../servers/api-servers.ts";

interface ConfigMap extends KubeObject {
  data?: Record<string, string>;
}

const namespace = "default";
const labelSelector = "suite=informer";
const configMap = (name: string, data: Record<string, string> = {}): ConfigMap => ({
  apiVersion: "v1",
  kind: "ConfigMap",
  metadata: { name, namespace, labels: { suite: "informer" } },
  data,
});

/** Back-off of seconds would only make the suite slow: time runs faster for the reflector. */
const SPEED = 20;
const fastTimers: Timers = {
  now: () => systemTimers.now() * SPEED,
  elapsed: () => systemTimers.elapsed() * SPEED,
  after: (ms, run) => systemTimers.after(ms / SPEED, run),
  random: () => Math.random(),
};
const PATIENCE_MS = 60_000;
/** Of the informer's own waits, which would end after half a second by these timers. */
const PATIENT = { timeoutMs: PATIENCE_MS * SPEED };

/** name → incarnation and version: what two views of the cluster are compared by. */
const versions = (objects: readonly KubeObject[]): Record<string, string> =>
  Object.fromEntries(
    objects
      .map((o) => [o.metadata.name, `${o.metadata.uid}@${o.metadata.resourceVersion}`] as const)
      .toSorted(([a], [b]) => (a < b ? -1 : 1)),
  );

describe.each(apiServers)("the informer on $name", (target) => {
  let running: RunningApiServer;
  let proxy: FaultProxy;
  /** Straight to the server, as another user would write. */
  let direct: KubeClient;
  let faulty: KubeClient;
  let meter: RecordingMeter;
  let informer: RunningInformer<ConfigMap>;
  /** What somebody who only hears the changes believes; it must be the same as the cache. */
  let heard: Map<string, ConfigMap>;
  let changes: Change<ConfigMap>[];
  let stop: () => Promise<void>;

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
  beforeEach(async () => {
    await start();
  });
  afterEach(async () => {
    await stop();
    proxy.heal();
    const { items } = await direct.list(configMaps, { namespace, labelSelector });
    await Promise.all(items.map((item) => direct.delete(configMaps, refOf(item), { uid: item.metadata.uid })));
  });

  async function start(options: { resyncMs?: number } = {}): Promise<void> {
    meter = recordingMeter();
    heard = new Map();
    changes = [];
    informer = createInformer<ConfigMap>({
      client: faulty,
      resource: configMaps,
      selection: { namespace, labelSelector },
      indexes: { color: (object) => [object.data?.["color"] ?? "none"] },
      meter,
      timers: fastTimers,
      ...options,
    });
    informer.onChange((change) => {
      changes.push(change);
      const key = keyOf(refOf(change.object));
      if (change.type === "Deleted") heard.delete(key);
      else heard.set(key, change.object);
    });
    const abort = new AbortController();
    const done = informer.run(abort.signal);
    stop = async () => {
      abort.abort();
      await done;
      await expect.poll(() => proxy.openWatches, { timeout: PATIENCE_MS }).toBe(0);
    };
    await informer.waitForSync();
    // Faults of a watch are only met by a watch that is open.
    await expect.poll(() => proxy.openWatches, { timeout: PATIENCE_MS }).toBe(1);
  }

  async function restart(options: { resyncMs?: number }): Promise<void> {
    await stop();
    await start(options);
  }

  async function expectToAgree(): Promise<void> {
    const list = await direct.list<ConfigMap>(configMaps, { namespace, labelSelector });
    await expect.poll(() => versions(informer.list()), { timeout: PATIENCE_MS }).toEqual(versions(list.items));
    expect(versions([...heard.values()])).toEqual(versions(list.items));
  }

  it("sees a write of its own before it is asked to decide again", async () => {
    const written = await direct.create(configMaps, configMap("own", { color: "red" }));
    await informer.waitForWrite(written, PATIENT);
    expect(informer.byIndex("color", "red").map((o) => o.metadata.name)).toEqual(["own"]);
    const changed = await direct.patch<ConfigMap>(configMaps, refOf(written), { data: { color: "blue" } });
    await informer.waitForWrite(changed, PATIENT);
    expect(informer.byIndex("color", "red")).toEqual([]);
    expect(informer.byIndex("color", "blue")).toHaveLength(1);
    await direct.delete(configMaps, refOf(written), { uid: written.metadata.uid });
    await informer.waitForDelete("default/own", written.metadata.uid ?? "", PATIENT);
    expect(informer.get("default/own")).toBeUndefined();
  });

  it("says so instead of deciding when its own write does not arrive", async () => {
    proxy.inject({ effect: { kind: "Event", fate: "Withhold" } });
    const written = await direct.create(configMaps, configMap("withheld"));
    await expect(informer.waitForWrite(written, { timeoutMs: 100 * SPEED })).rejects.toMatchObject({
      code: "API_UNAVAILABLE",
      retry: "Backoff",
    });
    await expect.poll(() => proxy.release(), { timeout: PATIENCE_MS }).toBe(1);
    await informer.waitForWrite(written, PATIENT);
  });

  it("resumes a cut watch where it ended, without a new list", async () => {
    for (let i = 0; i < 5; i++) {
      await direct.create(configMaps, configMap(`cut-${i}`));
      expect(proxy.cutWatches()).toBeLessThanOrEqual(1);
    }
    await expectToAgree();
    expect(meter.value("kube_relists_total", { resource: "configmaps", reason: "initial" })).toBe(1);
    expect(meter.value("kube_relists_total", { resource: "configmaps", reason: "expired" })).toBe(0);
  });

  it("lists again after 410 and tells what it missed, deletions too", async () => {
    const gone = await direct.create(configMaps, configMap("gone"));
    const kept = await direct.create(configMaps, configMap("kept"));
    await informer.waitForWrite(kept, PATIENT);
    proxy.inject({ match: { verb: "watch" }, effect: { kind: "Answer", status: 410 }, times: 1 });
    proxy.cutWatches();
    await direct.delete(configMaps, refOf(gone), { uid: gone.metadata.uid });
    await direct.create(configMaps, configMap("new"));
    await expectToAgree();
    expect(meter.value("kube_relists_total", { resource: "configmaps", reason: "expired" })).toBe(1);
    expect(changes.filter((c) => c.type === "Deleted").map((c) => c.object.metadata.name)).toEqual(["gone"]);
    await expect.poll(() => proxy.expireWatches(), { timeout: PATIENCE_MS }).toBe(1);
    await direct.create(configMaps, configMap("newer"));
    await expectToAgree();
    expect(meter.value("kube_relists_total", { resource: "configmaps", reason: "expired" })).toBe(2);
  });

  it("tells an object that was deleted and made again as two changes", async () => {
    const first = await direct.create(configMaps, configMap("again"));
    await informer.waitForWrite(first, PATIENT);
    changes.length = 0;
    proxy.inject({ match: { verb: "watch" }, effect: { kind: "Answer", status: 410 }, times: 1 });
    proxy.cutWatches();
    await direct.delete(configMaps, refOf(first), { uid: first.metadata.uid });
    const second = await direct.create(configMaps, configMap("again"));
    await expectToAgree();
    expect(changes.map((c) => [c.type, c.object.metadata.uid])).toEqual([
      ["Deleted", first.metadata.uid],
      ["Added", second.metadata.uid],
    ]);
  });

  it("ignores doubled events and events that come late and out of order", async () => {
    const written = await direct.create(configMaps, configMap("order", { step: "1" }));
    await informer.waitForWrite(written, PATIENT);
    proxy.inject({ effect: { kind: "Event", fate: "Withhold" }, times: 1 });
    await direct.patch(configMaps, refOf(written), { data: { step: "2" } });
    proxy.inject({ effect: { kind: "Event", fate: "Duplicate" } });
    const last = await direct.patch<ConfigMap>(configMaps, refOf(written), { data: { step: "3" } });
    await informer.waitForWrite(last, PATIENT);
    expect(proxy.release()).toBe(1);
    const marker = await direct.create(configMaps, configMap("marker"));
    await informer.waitForWrite(marker, PATIENT);
    expect(informer.get("default/order")?.data).toEqual({ step: "3" });
    const steps = changes.filter((c) => c.object.metadata.name === "order").map((c) => c.object.data?.["step"]);
    expect(steps).toEqual(["1", "3"]);
  });

  it("finds a lost event at the next resync, and counts it as a cache miss", async () => {
    await restart({ resyncMs: 2_000 * SPEED }); // both writes come well before it
    proxy.inject({ effect: { kind: "Event", fate: "Drop" }, times: 1 });
    await direct.create(configMaps, configMap("lost"));
    await direct.create(configMaps, configMap("seen"));
    await expectToAgree();
    expect(meter.value("kube_cache_misses_total", { resource: "configmaps" })).toBe(1);
  });

  it("does not go back in time when a lagging server answers", async () => {
    const written = await direct.create(configMaps, configMap("present"));
    await informer.waitForWrite(written, PATIENT);
    await restart({ resyncMs: 300 * SPEED });
    await direct.create(configMaps, configMap("later"));
    await expectToAgree();
    proxy.inject({ match: { verb: "list" }, effect: { kind: "Stale" }, times: 2 });
    const before = proxy.strikes;
    await direct.patch(configMaps, refOf(written), { data: { now: "yes" } });
    changes.length = 0;
    await expect.poll(() => proxy.strikes - before, { timeout: PATIENCE_MS }).toBe(2);
    await expectToAgree();
    expect(changes.filter((c) => c.type === "Deleted")).toEqual([]);
  });

  it("waits as long as the server asks, and goes on afterwards", async () => {
    proxy.inject({
      match: { verb: "watch" },
      effect: { kind: "Answer", status: 429, retryAfterSeconds: 10 },
      times: 1,
    });
    const from = performance.now();
    proxy.cutWatches();
    await direct.create(configMaps, configMap("patient"));
    await expectToAgree();
    expect(performance.now() - from).toBeGreaterThanOrEqual((10 * 1000) / SPEED);
    expect(meter.value("kube_watch_restarts_total", { resource: "configmaps", reason: "TooManyRequests" })).toBe(1);
  });

  it("agrees with a list after a storm of writes and faults", async () => {
    await restart({ resyncMs: 2_000 * SPEED });
    const random = seeded(20_260_101);
    const fateOf = seeded(7);
    for (const fate of ["Drop", "Duplicate", "Withhold"] as const) {
      proxy.inject({ effect: { kind: "Event", fate, when: () => fateOf() < 0.15 } });
    }
    for (const status of [500, 503, 429, 410] as const) {
      proxy.inject({ match: { verb: ["list", "watch"] }, effect: { kind: "Answer", status }, times: 2 });
    }
    for (let i = 0; i < 300; i++) {
      await randomWrite(random);
      if (random() < 0.05) proxy.cutWatches();
      if (random() < 0.03) proxy.expireWatches();
      if (random() < 0.1) proxy.release();
    }
    proxy.heal();
    proxy.release();
    await expectToAgree();
    const struck = proxy.strikes;
    expect(struck).toBeGreaterThan(20);
    console.log(
      `storm: 300 writes, ${struck} faults, ${meter.value("kube_cache_misses_total", { resource: "configmaps" })} misses found by resync, 0 differences`,
    );
  });

  async function randomWrite(random: () => number): Promise<void> {
    const ref = { namespace, name: `storm-${Math.floor(random() * 25)}` };
    const found = await direct.find<ConfigMap>(configMaps, ref);
    if (found === undefined) await direct.create(configMaps, configMap(ref.name));
    else if (random() < 0.3) await direct.delete(configMaps, ref, { uid: found.metadata.uid });
    else await direct.patch(configMaps, ref, { data: { value: String(random()) } });
  }

  it("feeds a queue in which a poisoned key never stops the others", async () => {
    const done = new Map<string, number>();
    let poisoned = 0;
    const queue = createWorkQueue({
      name: "test",
      concurrency: 2,
      timers: fastTimers,
      process: (key) => {
        if (key.endsWith("poison")) {
          poisoned++;
          return Promise.reject(new Error("always"));
        }
        done.set(key, (done.get(key) ?? 0) + 1);
        return Promise.resolve(undefined);
      },
    });
    informer.onChange((change) => queue.add(keyOf(refOf(change.object))));
    const abort = new AbortController();
    const ran = queue.run(abort.signal);
    const names = ["poison", ...Array.from({ length: 20 }, (_, i) => `fine-${i}`)];
    for (const name of names) await direct.create(configMaps, configMap(name));
    await expect.poll(() => done.size, { timeout: PATIENCE_MS }).toBe(20);
    await expect.poll(() => poisoned, { timeout: PATIENCE_MS }).toBeGreaterThan(4);
    abort.abort();
    await ran;
  });
});

/** mulberry32: the writes are the same in every run; how they meet the faults is not. */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}
