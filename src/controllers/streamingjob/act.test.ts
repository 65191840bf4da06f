import { once } from "node:events";
import type { Server } from "node:http";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, expect, it } from "vitest";
import type { WeirError } from "../../errors.ts";
import { systemTimers } from "../../kube/timers.ts";
import type { PodView } from "../../lifecycle/input.ts";
import { POD_PORT_ANNOTATION } from "../../local/kubelet/addresses.ts";
import { newCondition } from "../../worker/condition.ts";
import { createWorkerRegistry } from "../workers/registry.ts";
import { createWorkerClient } from "../workers/worker-client.ts";
import type { Actor, Scene } from "./act.ts";
import { perform } from "./act.ts";

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

/** A worker that verifies a savepoint for longer than anybody waits, and says so in its status. */
async function verifyingWorker(): Promise<number> {
  let isAsked = false;
  const { checkpoints: _, ...condition } = newCondition();
  const status = { jobUid: "u", epoch: 1, slot: 0, attempt: 0, ...condition, phase: "Running" };
  const server: Server = createServer(({ method, url }, response) => {
    if (method === "PUT") isAsked = true;
    else if (url === "/v1/events") response.flushHeaders();
    else response.end(JSON.stringify({ ...status, saving: isAsked ? ["s"] : [] }));
  });
  closers.push(() => server.close().closeAllConnections());
  await once(server.listen(0, "127.0.0.1"), "listening");
  return (server.address() as AddressInfo).port;
}

it("knows what a worker is about that answers too late, so that it can be given up", async () => {
  const port = await verifyingWorker();
  const client = createWorkerClient({ term: () => 1, timeoutMs: 1_000 });
  const registry = createWorkerRegistry({
    client,
    timers: systemTimers,
    tokenKeys: ["key"],
    silenceMs: 3_600_000,
    onError: () => {},
    changed: () => {},
  });
  closers.push(() => registry.close(), client.close);
  const view = { name: "j-1-0-0", uid: "p", epoch: 1, slot: 0, attempt: 0, phase: "Running" } as PodView;
  const metadata = { name: view.name, annotations: { [POD_PORT_ANNOTATION]: String(port) } };
  const object = { apiVersion: "v1", kind: "Pod", metadata, status: { podIP: "127.0.0.1" } };
  await registry.sync({ key: "n/j", uid: "u" }, [{ view, object }], undefined);

  const actor = { workers: client, registry } as unknown as Actor;
  const sealing = { kind: "SealSavepoint", pod: view.name, id: "s", uri: "file:///s", parts: [] } as const;
  const codes: unknown[] = [];
  // The next decision asks again, too; a busy machine may hold up the first call until it is too late.
  const askedAgain = async (): Promise<readonly string[] | undefined> => {
    await perform(actor, { key: "n/j" } as Scene, sealing).catch((e: WeirError) => codes.push(e.code));
    return registry.connection("n/j", view.name)?.state.saving;
  };
  await expect.poll(askedAgain, { timeout: 60_000 }).toEqual(["s"]);
  expect(new Set(codes)).toEqual(new Set(["WORKER_UNREACHABLE"]));
});
