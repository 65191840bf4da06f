import { createServer } from "node:http";
import type { Server } from "node:http";
import { once } from "node:events";
import { afterEach, describe, expect, it } from "vitest";
import { manualTimers } from "../../kube/manual-timers.ts";
import { systemTimers } from "../../kube/timers.ts";
import { openConnection } from "./connection.ts";
import { tokenHash, workerToken } from "./token.ts";
import { createWorkerClient } from "./worker-client.ts";

const servers: Server[] = [];
const closers: (() => void)[] = [];
afterEach(() => {
  closers.splice(0).forEach((close) => close());
  for (const server of servers.splice(0)) server.close().closeAllConnections();
});

const METRICS = {
  lag: 7,
  lagMs: 1,
  in: 1,
  out: 1,
  totalIn: 1,
  totalOut: 1,
  malformed: 0,
  late: 0,
  keys: 0,
  busy: 0.1,
  watermark: null,
};
const HEADER = { seq: 1, at: 1, jobUid: "u", epoch: 1, slot: 0, attempt: 0 };
const STATUS = {
  jobUid: "u",
  epoch: 1,
  slot: 0,
  attempt: 0,
  phase: "Running",
  metrics: METRICS,
  checkpoint: null,
  restored: null,
  problem: null,
  failure: null,
};

async function worker(
  events: readonly string[],
): Promise<{ port: number; seen: string[]; headers: Record<string, unknown>[] }> {
  const seen: string[] = [];
  const headers: Record<string, unknown>[] = [];
  const server = createServer((request, response) => {
    seen.push(`${request.method ?? ""} ${request.url ?? ""}`);
    headers.push(request.headers);
    if (request.url === "/v1/status") response.end(JSON.stringify(STATUS));
    else if (request.url === "/v1/events") for (const line of events) response.write(line);
    else if (request.url?.startsWith("/v1/savepoints/") === true) response.writeHead(404).end();
    else response.writeHead(request.method === "POST" ? 409 : 500).end("an older term");
  });
  servers.push(server);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  return { port: typeof address === "object" && address !== null ? address.port : 0, seen, headers };
}

const client = createWorkerClient({ term: () => 3 });
const at = (port: number) => ({ pod: "j-1-0-0", host: "127.0.0.1", port, token: "secret" });

describe("a worker's token", () => {
  it("differs by job, epoch and slot, and the pod is given only its hash", () => {
    const tokens = [
      workerToken("k", "a", { epoch: 1, slot: 0 }),
      workerToken("k", "b", { epoch: 1, slot: 0 }),
      workerToken("k", "a", { epoch: 2, slot: 0 }),
      workerToken("k", "a", { epoch: 1, slot: 1 }),
    ];
    expect(new Set(tokens).size).toBe(4);
    expect(tokenHash(tokens[0] ?? "")).not.toContain(tokens[0]);
  });
});

describe("the worker client", () => {
  it("proves itself and its leader term on every call", async () => {
    const { port, headers } = await worker([]);
    expect((await client.status(at(port))).metrics.lag).toBe(7);
    expect(headers[0]).toMatchObject({ authorization: "Bearer secret", "x-weir-term": "3" });
  });

  it("tells a refusal from an absence", async () => {
    const { port } = await worker([]);
    await expect(client.pause(at(port))).rejects.toMatchObject({ code: "WORKER_REFUSED" });
    await expect(client.pause(at(1))).rejects.toMatchObject({ code: "WORKER_UNREACHABLE" });
    expect(await client.savepoint(at(port), "none")).toBeUndefined();
  });
});

describe("a connection", () => {
  it("follows the event stream, also when lines are torn and odd ones are in between", async () => {
    const metrics = JSON.stringify({ ...HEADER, type: "metrics", metrics: { ...METRICS, lag: 42 } });
    const { port } = await worker([
      metrics.slice(0, 20),
      `${metrics.slice(20)}\n`,
      "not json\n",
      '{"type":"unknown"}\n',
    ]);
    const changes: string[] = [];
    const { promise, resolve } = Promise.withResolvers<void>();
    const connection = openConnection(at(port), {
      client,
      timers: systemTimers,
      changed: (weight) => {
        changes.push(weight);
        if (weight === "Live") resolve();
      },
    });
    closers.push(connection.close);
    await connection.tried;
    expect(connection.reachable()).toBe(true);
    await promise;
    expect(connection.state.metrics?.lag).toBe(42);
    expect(changes).toContain("Change");
  });

  it("calls a worker silent after the time that is set", async () => {
    const { port } = await worker([]);
    const timers = manualTimers({ start: 1_000_000 });
    const connection = openConnection(at(port), { client, timers, silenceMs: 10_000, changed: () => undefined });
    closers.push(connection.close);
    await connection.tried;
    await timers.advance(10_000);
    expect(connection.reachable()).toBe(true);
    await timers.advance(1);
    expect(connection.reachable()).toBe(false);
  });

  it("knows after its first try that nobody is there", async () => {
    const connection = openConnection(at(1), { client, timers: systemTimers, changed: () => undefined });
    closers.push(connection.close);
    await connection.tried;
    expect(connection.reachable()).toBe(false);
  });
});
