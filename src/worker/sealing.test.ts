import { once } from "node:events";
import { crc32 } from "node:zlib";
import { afterEach, describe, expect, it } from "vitest";
import type { SavepointPart, WorkerStatus } from "../api/worker-protocol.ts";
import { systemClock } from "../clock.ts";
import { memoryStorage } from "../engine/checkpoint/memory-storage.ts";
import { seal, sha256 } from "../engine/checkpoint/sealed.ts";
import type { Storage } from "../engine/checkpoint/storage.ts";
import { controlRoutes, notRunning } from "./calls.ts";
import { controlServer } from "./control-server.ts";
import { eventStream } from "./events.ts";

const SEGMENTS = [Buffer.from("the first"), Buffer.from("the second")];
const FACTS = { version: 1, namespace: "n", job: "j", jobUid: "u", lineage: "l", planHash: "h", id: "one" };
const PLACE = { epoch: 1, attempt: 0, slot: 0, slots: 1, takenAt: 0, maxParallelism: 4, sources: [], sinks: [] };
const closers: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

/** One slot's part, of two segments. */
async function writePart(storage: Storage): Promise<SavepointPart> {
  const folder = "s0/a0-0";
  const segments = SEGMENTS.map((bytes, i) => ({
    file: `${i}.seg`,
    offset: 0,
    length: bytes.length,
    crc32: crc32(bytes),
  }));
  for (const [i, bytes] of SEGMENTS.entries()) await storage.create(`${folder}/${i}.seg`, bytes);
  const manifest = seal({
    ...FACTS,
    ...PLACE,
    keyed: [{ node: "k", stateVersion: 1, stateSignature: "s", watermark: null, shards: [{ shard: 0, segments }] }],
  });
  await storage.create(`${folder}/manifest.json`, manifest);
  return { slot: 0, manifest: `${folder}/manifest.json`, bytes: manifest.length, sha256: sha256(manifest) };
}

/** A worker whose storage hands segments out as `release` says. */
async function workerWith(uri: string, release: (nth: number) => Promise<void>) {
  const storage = memoryStorage(uri);
  const parts = [await writePart(storage)];
  const reads: string[] = [];
  const seen = new EventTarget();
  const slow: Storage = {
    ...storage,
    read: async (path, range) => {
      if (path.endsWith(".seg")) {
        reads.push(path);
        seen.dispatchEvent(new Event("read"));
        await release(reads.length);
      }
      return storage.read(path, range);
    },
  };
  const header = { jobUid: "u", epoch: 1, slot: 0, attempt: 0 };
  const events = eventStream(header, systemClock);
  const asleep = (): never => {
    throw notRunning("Starting");
  };
  const routes = controlRoutes({
    slot: asleep,
    status: () => ({}) as WorkerStatus,
    metrics: asleep,
    ready: () => false,
    stop: () => undefined,
    saved: () => undefined,
    events,
    openStorage: () => slow,
  });
  const server = await controlServer({ host: "127.0.0.1", port: 0 }, routes, () => {
    seen.dispatchEvent(new Event("call"));
    return undefined;
  });
  closers.push(
    () => events.close(),
    () => server.close(),
  );
  const url = `http://127.0.0.1:${server.address.port}/v1/savepoints/one/metadata`;
  const put = (signal?: AbortSignal): Promise<Response> =>
    fetch(url, { method: "PUT", body: JSON.stringify({ uri, parts }), ...(signal && { signal }) });
  const abandon = (): Promise<Response> => fetch(url.replace("/metadata", ""), { method: "DELETE" });
  const saving = async (): Promise<unknown> => {
    const status = await fetch(url.replace("/savepoints/one/metadata", "/status"));
    return ((await status.json()) as WorkerStatus).saving;
  };
  return { put, abandon, saving, reads, seen, storage };
}

describe("completing a savepoint whose verification takes longer than its caller waits", () => {
  it("goes on when the caller gives up, and who asks again has what it comes to", async () => {
    const held = Promise.withResolvers<void>();
    const { put, reads, seen, storage } = await workerWith("memory://slow", () => held.promise);
    const reading = once(seen, "read");
    const caller = new AbortController();
    const first = put(caller.signal);
    await reading;
    caller.abort();
    await expect(first).rejects.toThrow("aborted");

    const called = once(seen, "call");
    const repeated = put();
    await called;
    held.resolve();
    expect((await repeated).status).toBe(200);
    expect(await (await put()).json()).toMatchObject({ version: 1, parts: [{ slot: 0 }] });
    expect(reads.toSorted()).toEqual(["s0/a0-0/0.seg", "s0/a0-0/1.seg"]);
    expect(await storage.read("_metadata.json")).toBeDefined();
  });

  it("ends, and completes nothing, when the savepoint is given up", async () => {
    const held = Promise.withResolvers<void>();
    const { put, abandon, saving, reads, seen, storage } = await workerWith("memory://unwanted", () => held.promise);
    const reading = once(seen, "read");
    const asked = put();
    await reading;
    expect(await saving()).toEqual(["one"]);
    expect((await abandon()).status).toBe(204);
    held.resolve();
    expect(await (await asked).json()).toMatchObject({ message: "savepoint one was given up: nobody waits for it" });
    expect([await saving(), await storage.read("_metadata.json")]).toEqual([[], undefined]);
    const before = reads.length;
    expect((await put()).status).toBe(200);
    expect(reads.length).toBeGreaterThan(before);
    expect((await abandon()).status).toBe(204);
    expect((await put()).status).toBe(200);
  });

  it("is tried anew after it failed", async () => {
    const fail = (nth: number): Promise<void> =>
      nth === 1 ? Promise.reject(new Error("no way there")) : Promise.resolve();
    const { put } = await workerWith("memory://failing", fail);
    const refused = await put();
    expect(refused.status).toBe(500);
    expect(await refused.json()).toMatchObject({ message: "no way there" });
    expect((await put()).status).toBe(200);
  });
});
