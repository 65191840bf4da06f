import { createHash } from "node:crypto";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  workerEnvironment,
  workerEvent,
  workerStatus,
  type SavepointStatus,
  type StartDocument,
  type WorkerEvent,
} from "../api/worker-protocol.ts";
import { systemClock } from "../clock.ts";
import type { Plan } from "../engine/plan.ts";
import { builtInConnectors } from "../engine/connectors/registry.ts";
import { countingPlan, countingProgram } from "../../test/builders/counting-program.ts";
import { startDocumentOf } from "../../test/builders/worker-process.ts";
import { startWorker, type Worker } from "./worker.ts";

const TOKEN = "a token";
let root = "";
let workers: Worker[] = [];

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "weir-worker-"));
  workers = [];
});
afterEach(async () => {
  for (const worker of workers) worker.terminate();
  await Promise.all(workers.map((w) => w.exit));
  await rm(root, { recursive: true, force: true, maxRetries: 5 });
});

const quiet = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };
const steady = { splits: 2, rate: 2000, backlog: 500 };

function worker(start: Partial<StartDocument> = {}, datagen: object = steady): Promise<Worker> {
  return workerOf(countingPlan({ datagen }), start);
}

async function workerOf(plan: Plan, start: Partial<StartDocument> = {}, clock = systemClock): Promise<Worker> {
  const planDir = join(root, "etc/weir/plan");
  await mkdir(planDir, { recursive: true });
  await writeFile(join(planDir, "plan.json"), JSON.stringify(plan));
  await writeFile(join(planDir, "start.json"), JSON.stringify(startDocumentOf(start)));
  return await begin(clock);
}

async function begin(clock = systemClock): Promise<Worker> {
  const started = await startWorker({
    environment: workerEnvironment.parse({
      WEIR_SLOT: "0",
      WEIR_ATTEMPT: "0",
      WEIR_POD_IP: "127.0.0.1",
      WEIR_PORT: "0",
      WEIR_POD_ROOT: root,
      WEIR_TERMINATION_LOG: "/termination-log",
      WEIR_TOKEN_SHA256: createHash("sha256").update(TOKEN).digest("hex"),
    }),
    clock,
    log: quiet,
    build: countingProgram,
    connectors: builtInConnectors,
  });
  workers.push(started);
  return started;
}

const authorized = { authorization: `Bearer ${TOKEN}` };
function call(of: Worker, what: string, body?: unknown, headers: object = authorized): Promise<Response> {
  const [method = "GET", path = "/"] = what.split(" ");
  const init = { method, headers: { ...headers } };
  const url = `http://127.0.0.1:${of.address.port}${path}`;
  return fetch(url, body === undefined ? init : { ...init, body: JSON.stringify(body) });
}

async function event<T extends WorkerEvent["type"]>(of: Worker, type: T): Promise<WorkerEvent & { type: T }> {
  const response = await call(of, "GET /v1/events");
  let rest = "";
  for await (const text of (response.body as ReadableStream<Uint8Array>).pipeThrough(new TextDecoderStream())) {
    const lines = (rest + text).split("\n");
    rest = lines.pop() ?? "";
    const found = lines.map((line) => workerEvent.parse(JSON.parse(line))).find((e) => e.type === type);
    if (found !== undefined) return found as WorkerEvent & { type: T };
  }
  throw new Error(`the stream ended without ${type}`);
}

const reason = async (): Promise<unknown> => JSON.parse(await readFile(join(root, "termination-log"), "utf8"));

describe("the control API", () => {
  it("refuses a call without this worker's token, but answers probes and scrapes", async () => {
    const w = await worker();
    expect((await call(w, "GET /v1/status", undefined, {})).status).toBe(401);
    expect((await call(w, "POST /v1/stop", { mode: "Cancel" }, { authorization: "Bearer other" })).status).toBe(401);
    for (const path of ["/healthz", "/metrics"]) expect((await call(w, `GET ${path}`, undefined, {})).status).toBe(200);
  });

  it("outlives a path that is not well encoded", async () => {
    const w = await worker();
    expect((await call(w, "GET /v1/savepoints/%E0%A4%A")).status).toBe(404);
    expect((await call(w, "GET /healthz")).status).toBe(200);
  });

  it("refuses orders of an older leader term", async () => {
    const w = await worker();
    await event(w, "started");
    expect((await call(w, "POST /v1/pause", undefined, { ...authorized, "x-weir-term": "7" })).status).toBe(204);
    const refused = await call(w, "POST /v1/resume", undefined, { ...authorized, "x-weir-term": "6" });
    expect(refused.status).toBe(409);
    expect(await refused.json()).toMatchObject({ message: "leader term 6 is over; this worker has heard from term 7" });
  });

  it("says which field of a body is wrong", async () => {
    const w = await worker();
    await event(w, "started");
    const wrong = await call(w, "POST /v1/stop", { mode: "Gently" });
    expect(wrong.status).toBe(400);
    expect(((await wrong.json()) as { message: string }).message).toMatch(/^mode: /);
  });

  it("is ready when its slot runs, and shows figures by the names that are documented", async () => {
    const w = await worker();
    await event(w, "metrics");
    expect((await call(w, "GET /readyz", undefined, {})).status).toBe(200);
    const text = await (await call(w, "GET /metrics")).text();
    expect(text).toMatch(/^weir_worker_records_in_total\{.*job_name="rollup".*\} [1-9]/m);
    const names = [...text.matchAll(/^# TYPE (\S+)/gm)].map((m) => m[1] as string);
    expect(names.filter((n) => !n.startsWith("weir_"))).toEqual([]);
    expect(workerStatus.parse(await (await call(w, "GET /v1/status")).json())).toMatchObject({ phase: "Running" });
  });

  it("says in its status what has passed by now, not when figures were last sent", async () => {
    const w = await worker();
    const { totalIn } = (await event(w, "metrics")).metrics;
    const status = async () => workerStatus.parse(await (await call(w, "GET /v1/status")).json());
    const first = (await status()).metrics;
    expect(first.totalIn).toBeGreaterThanOrEqual(totalIn);
    await expect.poll(async () => (await status()).metrics.totalIn, { interval: 10 }).toBeGreaterThan(first.totalIn);
  });

  it("holds the sources between pause and resume, and keeps taking checkpoints", async () => {
    const w = await worker({ paused: true });
    expect((await event(w, "checkpoint")).checkpoint.ok).toBe(true);
    expect((await event(w, "metrics")).metrics.totalIn).toBe(0);
    expect(await (await call(w, "GET /v1/status")).json()).toMatchObject({ phase: "Paused" });
    await call(w, "POST /v1/resume");
    await expect.poll(async () => (await event(w, "metrics")).metrics.totalIn).toBeGreaterThan(0);
  });

  it("is paused or not as it was told last when its container is restarted without an operator", async () => {
    const checkpoint = { ...startDocumentOf().checkpoint, intervalMs: 3_600_000 };
    const first = await worker({ checkpoint });
    await event(first, "started");
    await call(first, "POST /v1/pause");
    expect((await event(first, "checkpoint")).checkpoint.ok).toBe(true);
    first.terminate();
    await first.exit;

    const again = await begin();
    await event(again, "started");
    expect(await (await call(again, "GET /v1/status")).json()).toMatchObject({ phase: "Paused" });
    await call(again, "POST /v1/resume");
    expect((await event(again, "checkpoint")).checkpoint.ok).toBe(true);
    again.terminate();
    await again.exit;

    const last = await begin();
    await event(last, "started");
    expect(await (await call(last, "GET /v1/status")).json()).toMatchObject({ phase: "Running" });
  });

  it("sends a late reader the newest event of each kind, then a heartbeat every second", async () => {
    const w = await worker();
    await event(w, "checkpoint");
    expect((await event(w, "started")).restored).toBeNull();
    expect((await event(w, "heartbeat")).seq).toBeGreaterThan(0);
  });
});

describe("a savepoint", () => {
  const uri = "file:///savepoints/one";
  async function savepoint(w: Worker): Promise<SavepointStatus> {
    await event(w, "started");
    expect((await call(w, "POST /v1/savepoints", { id: "one", uri, pause: true })).status).toBe(202);
    await event(w, "savepoint");
    return (await (await call(w, "GET /v1/savepoints/one")).json()) as SavepointStatus;
  }

  it("is taken once for its id, completed over all parts, and the next epoch goes on from it", async () => {
    const w = await worker();
    const status = await savepoint(w);
    expect(status).toMatchObject({ state: "Completed", part: { slot: 0 } });
    const again = await call(w, "POST /v1/savepoints", { id: "one", uri, pause: true });
    expect(await again.json()).toEqual(status);
    for (let i = 0; i < 2; i++) {
      const written = await call(w, "PUT /v1/savepoints/one/metadata", { uri, parts: [status.part] });
      expect(written.status).toBe(200);
    }
    await call(w, "POST /v1/stop", { mode: "Savepoint" });
    expect(await w.exit).toBe(0);
    const next = await worker({ epoch: 2, restore: { kind: "savepoint", uri, allowNonRestoredState: false } });
    expect((await event(next, "started")).restored).toEqual({ uri });
  });

  it("is not completed with a part missing or changed", async () => {
    const w = await worker();
    const { part } = await savepoint(w);
    const none = await call(w, "PUT /v1/savepoints/one/metadata", { uri, parts: [] });
    expect(none.status).toBe(409);
    const changed = { ...part, sha256: "0".repeat(64) };
    const other = await call(w, "PUT /v1/savepoints/one/metadata", { uri, parts: [changed] });
    expect(await other.json()).toMatchObject({ code: "CHECKPOINT_CORRUPT" });
    expect(await readdir(join(root, "savepoints/one"))).toEqual(["s0"]);
  });

  it("lets the sources go on when it fails, and says why", async () => {
    await writeFile(join(root, "a-file"), "");
    const w = await worker();
    await event(w, "started");
    await call(w, "POST /v1/savepoints", { id: "bad", uri: "file:///a-file/sp", pause: true });
    expect((await event(w, "savepoint")).message).toMatch(
      /cannot write below file:\/\/\/a-file\/sp: .*; check that the volume/,
    );
    const status = async (): Promise<unknown> => (await call(w, "GET /v1/status")).json();
    await expect.poll(status).toMatchObject({ phase: "Running" });
  });
});

describe("the end of a worker", () => {
  it("comes with a last checkpoint and exit 143 at a SIGTERM nobody announced, and the next container goes on", async () => {
    const w = await worker({ checkpoint: { ...startDocumentOf().checkpoint, intervalMs: 0 } });
    await event(w, "metrics");
    w.terminate();
    expect(await w.exit).toBe(143);
    const again = await begin();
    expect((await event(again, "started")).restored).toMatchObject({ checkpointId: 1 });
  });

  it("is an error of a container that was restarted and finds its first checkpoints gone: it does not start empty", async () => {
    const w = await worker();
    await event(w, "checkpoint");
    w.terminate();
    expect(await w.exit).toBe(143);
    await rm(join(root, "state"), { recursive: true });
    const again = await begin();
    expect(await again.exit).toBe(1);
    expect(await reason()).toMatchObject({
      code: "CHECKPOINT_CORRUPT",
      message: expect.stringMatching(
        /has completed a checkpoint in this epoch, but file:\/\/\/state has none any more/,
      ) as string,
    });
  });

  it("comes with exit 0 at the end of bounded input", async () => {
    const w = await worker({}, { ...steady, count: 300 });
    expect(await w.exit).toBe(0);
    const [part] = await readdir(join(root, "results"));
    expect((await readFile(join(root, "results", part ?? ""), "utf8")).trim().split("\n").length).toBe(300);
  });

  it("waits for whoever has asked for its part of a savepoint, until it is told to end", async () => {
    const w = await worker({}, { ...steady, count: 300 });
    await event(w, "started");
    expect((await call(w, "POST /v1/savepoints", { id: "one", uri: "file:///one", pause: false })).status).toBe(202);
    await event(w, "finished");
    const status = (await (await call(w, "GET /v1/savepoints/one")).json()) as SavepointStatus;
    expect(status).toMatchObject({ state: "Completed", part: { slot: 0 } });
    const sealed = await call(w, "PUT /v1/savepoints/one/metadata", { uri: "file:///one", parts: [status.part] });
    expect(sealed.status).toBe(200);
    expect((await call(w, "POST /v1/savepoints", { id: "two", uri: "file:///two", pause: false })).status).toBe(202);
    const refused = async (): Promise<unknown> => (await call(w, "GET /v1/savepoints/two")).json();
    await expect.poll(refused).toMatchObject({
      state: "Failed",
      code: "WORKER_REFUSED",
      error: expect.stringContaining("slot 0 has read all of its input and has ended") as string,
    });
    expect((await call(w, "POST /v1/stop", { mode: "Savepoint" })).status).toBe(202);
    expect(await w.exit).toBe(0);
  });

  it("waits for as long as somebody asks for its part, and its exit code says that it has finished", async () => {
    let ahead = 0;
    const clock = { ...systemClock, elapsed: () => systemClock.elapsed() + ahead };
    const w = await workerOf(countingPlan({ datagen: { ...steady, count: 300 } }), {}, clock);
    await event(w, "started");
    await call(w, "POST /v1/savepoints", { id: "one", uri: "file:///one", pause: false });
    await event(w, "finished");
    for (let i = 0; i < 3; i++) {
      ahead += 8_000;
      expect(await (await call(w, "GET /v1/savepoints/one")).json()).toMatchObject({ state: "Completed" });
      await sleep(300);
    }
    w.terminate();
    expect(await w.exit).toBe(0);
  });

  it("names the savepoint that does not exist", async () => {
    const w = await worker({ restore: { kind: "savepoint", uri: "file:///nowhere/sp", allowNonRestoredState: false } });
    expect(await w.exit).toBe(1);
    expect(await reason()).toEqual({
      code: "SAVEPOINT_NOT_FOUND",
      message: expect.stringContaining("file:///nowhere/sp/_metadata.json does not exist") as string,
      restartable: false,
    });
  });

  it("names the checkpoint folder that cannot be written", async () => {
    await writeFile(join(root, "state"), "a file where a folder should be");
    const w = await worker();
    expect(await w.exit).toBe(1);
    expect(await reason()).toMatchObject({
      code: "CHECKPOINT_UNWRITABLE",
      message: expect.stringMatching(
        /cannot write below file:\/\/\/state: .*check that the volume is mounted/,
      ) as string,
      restartable: true,
    });
  });

  it("is not an unreachable broker: the worker waits, says why and when it tries again, and can be stopped", async () => {
    const plan = countingPlan({ datagen: {} });
    const config = { brokers: ["127.0.0.1:1"], topics: ["events"] };
    const w = await workerOf({ ...plan, sources: plan.sources.map((s) => ({ ...s, connector: "kafka", config })) });
    const { problem } = await event(w, "problem");
    expect(problem).toMatchObject({ code: "SOURCE_UNREACHABLE", restartable: true });
    expect(problem?.message).toMatch(/127\.0\.0\.1:1.*ECONNREFUSED/);
    expect(problem?.nextTryAt).toBeGreaterThan(0);
    const ready = await call(w, "GET /readyz", undefined, {});
    expect(ready.status).toBe(503);
    expect(await ready.text()).toMatch(/^Restoring: node "\w+": Kafka: .*ECONNREFUSED/);
    expect((await call(w, "POST /v1/savepoints", { id: "x", uri: "file:///x" })).status).toBe(503);
    await call(w, "POST /v1/stop", { mode: "Cancel" });
    expect(await w.exit).toBe(0);
  });

  it("names the document that is missing", async () => {
    await expect(begin()).rejects.toThrow(/cannot read .*plan.json: .*is the ConfigMap mounted\?/);
    expect(await reason()).toMatchObject({ code: "CONFIG_INVALID" });
  });
});
