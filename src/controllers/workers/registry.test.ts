import { afterEach, describe, expect, it } from "vitest";
import { systemTimers } from "../../kube/timers.ts";
import type { PodView } from "../../lifecycle/input.ts";
import { newCondition } from "../../worker/condition.ts";
import type { ObservedPod, RegistryOptions, WorkerRegistry } from "./registry.ts";
import { createWorkerRegistry } from "./registry.ts";
import type { TokenKeys } from "./token.ts";
import { tokenHash, workerToken } from "./token.ts";
import type { WorkerClient } from "./worker-client.ts";

const registries: WorkerRegistry[] = [];
afterEach(() => registries.splice(0).forEach((registry) => registry.close()));

interface Said {
  /** When its newest good checkpoint completed. */
  readonly savedAt?: number;
  readonly startedAt: number;
}

/** Workers by the name of their pod: what they answer, and then the event that they have started. */
function registryOf(
  said: Readonly<Record<string, Said>>,
  options: Partial<RegistryOptions> = {},
  savepoint: WorkerClient["savepoint"] = () => Promise.resolve(undefined),
): WorkerRegistry {
  const worker = (pod: string): Said => said[pod] ?? { startedAt: 0 };
  const client: Pick<WorkerClient, "status" | "events" | "savepoint"> = {
    savepoint,
    status: ({ pod }) => {
      const { savedAt } = worker(pod);
      const good = { id: 1, ok: true, completedAt: savedAt ?? 0, durationMs: 20, bytes: 100, uri: "file:///c" };
      const { checkpoints: _counts, ...condition } = newCondition();
      const who = { jobUid: "u", epoch: 1, slot: 0, attempt: 0 };
      return Promise.resolve({
        ...who,
        ...condition,
        phase: "Running",
        checkpoint: savedAt === undefined ? null : good,
      });
    },
    events: ({ pod }, signal) => Promise.resolve(events(worker(pod).startedAt, signal)),
  };
  const registry = createWorkerRegistry({
    client: client as WorkerClient,
    timers: systemTimers,
    tokenKeys: ["key"],
    onError: () => {},
    changed: () => {},
    ...options,
  });
  registries.push(registry);
  return registry;
}

async function* events(startedAt: number, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  const header = { seq: 0, at: startedAt, jobUid: "u", epoch: 1, slot: 0, attempt: 0 };
  yield Buffer.from(`${JSON.stringify({ ...header, type: "started", restored: null })}\n`);
  await new Promise((resolve) => signal.addEventListener("abort", resolve));
}

function pod(epoch: number, slot: number, attempt: number): ObservedPod {
  const name = `j-${epoch}-${slot}-${attempt}`;
  const view = { name, uid: name, epoch, slot, attempt, phase: "Running", deleting: false, lost: false, failures: 0 };
  const object = { apiVersion: "v1", kind: "Pod", metadata: { name }, status: { podIP: "127.0.0.1" } };
  return { view: { ...view, createdAt: 0 } as PodView, object };
}

const JOB = { key: "ns/j", uid: "u" };
const savedAt = (registry: WorkerRegistry, workers: number): number | undefined =>
  registry.live(JOB.key, workers).savedAt;

describe("the token of a worker", () => {
  const made = (key: string): ObservedPod => {
    const one = pod(1, 0, 0);
    const env = [{ name: "WEIR_TOKEN_SHA256", value: tokenHash(workerToken(key, JOB.uid, one.view)) }];
    return { ...one, object: { ...one.object, spec: { containers: [{ env }] } } };
  };
  const tokenFor = async (key: string, keys: TokenKeys, errors: string[] = []): Promise<string | undefined> => {
    const registry = registryOf({}, { tokenKeys: keys, onError: (job, e) => errors.push(`${job}: ${String(e)}`) });
    await registry.sync(JOB, [made(key)], undefined);
    return registry.connection(JOB.key, "j-1-0-0")?.address.token;
  };

  it("is made from the key that the worker was made with, also while another is newer", async () => {
    const worker = { epoch: 1, slot: 0 };
    expect(await tokenFor("old", ["new", "old"])).toBe(workerToken("old", "u", worker));
    expect(await tokenFor("new", ["new", "old"])).toBe(workerToken("new", "u", worker));
  });

  it("cannot be made when its key is gone, and the log says what to do", async () => {
    const errors: string[] = [];
    expect(await tokenFor("old", ["new"], errors)).toBe("");
    expect(errors.join()).toMatch(
      /^ns\/j: .*pod j-1-0-0 was made with another key .*put its key back .* or delete the pod/,
    );
  });
});

describe("a part of a savepoint that is complete", () => {
  it("is known, and still asked for: a worker that has read all of its input stays as long as it is asked", async () => {
    let asked = 0;
    const part = { slot: 0, manifest: "s0/manifest.json", bytes: 1, sha256: "00" };
    const registry = registryOf({}, {}, () => {
      asked++;
      return asked === 2
        ? Promise.reject(new Error("reset"))
        : Promise.resolve({ id: "one", state: "Completed", part });
    });
    for (let i = 1; i < 4; i++) {
      const [view] = await registry.sync(JOB, [pod(1, 0, 0)], "one");
      expect(view?.savepoint?.part).toEqual(part);
      expect(asked).toBe(i);
    }
    await registry.sync(JOB, [pod(1, 0, 0)], undefined);
    expect(asked).toBe(3);
  });
});

describe("the age of a job's state", () => {
  it("is that of the worker that saved longest ago; one that never has counts from its start", async () => {
    const registry = registryOf({
      "j-1-0-0": { savedAt: 9_000, startedAt: 1_000 },
      "j-1-1-0": { startedAt: 2_000 },
    });
    await registry.sync(JOB, [pod(1, 0, 0), pod(1, 1, 0)], undefined);
    await expect.poll(() => savedAt(registry, 2)).toBe(2_000);
  });

  it("is not known while one of the workers is missing", async () => {
    const registry = registryOf({ "j-1-0-0": { savedAt: 9_000, startedAt: 1_000 } });
    await registry.sync(JOB, [pod(1, 0, 0)], undefined);
    await expect.poll(() => savedAt(registry, 1)).toBe(9_000);
    expect(savedAt(registry, 2)).toBeUndefined();
  });

  it("does not begin anew with a worker that is replaced, but does with the next epoch", async () => {
    const registry = registryOf({
      "j-1-0-0": { savedAt: 9_000, startedAt: 1_000 },
      "j-1-0-1": { startedAt: 20_000 },
      "j-2-0-0": { startedAt: 30_000 },
    });
    await registry.sync(JOB, [pod(1, 0, 0)], undefined);
    await expect.poll(() => savedAt(registry, 1)).toBe(9_000);
    await registry.sync(JOB, [], undefined);
    await registry.sync(JOB, [pod(1, 0, 1)], undefined);
    expect(savedAt(registry, 1)).toBe(9_000);
    await registry.sync(JOB, [pod(2, 0, 0)], undefined);
    await expect.poll(() => savedAt(registry, 1)).toBe(30_000);
  });
});
