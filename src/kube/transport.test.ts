import { once } from "node:events";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import { createServer } from "node:http";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Interceptor, KubeRequest } from "./call.ts";
import type { Credentials } from "./credentials.ts";
import type { KubeError } from "./kube-error.ts";
import { recordingMeter } from "./meter.ts";
import type { Transport, TransportOptions } from "./transport.ts";
import { createTransport } from "./transport.ts";

const get: KubeRequest = {
  call: { verb: "get", group: "", resource: "pods", namespace: "a", name: "p" },
  method: "GET",
  path: "/api/v1/namespaces/a/pods/p",
};

describe("the transport", () => {
  let server: Server;
  let answer: (request: IncomingMessage, response: ServerResponse) => void;
  const open: Transport[] = [];

  beforeEach(async () => {
    server = createServer((request, response) => answer(request, response)).listen(0, "127.0.0.1");
    await once(server, "listening");
  });
  afterEach(async () => {
    await Promise.all(open.splice(0).map((transport) => transport.close()));
    server.closeAllConnections();
    server.close();
  });

  function transport(
    options: Partial<TransportOptions> & { credentials?: () => Promise<Credentials>; prefix?: string } = {},
  ): Transport {
    const address = server.address();
    const port = typeof address === "object" && address !== null ? address.port : 0;
    const credentials = options.credentials ?? (() => Promise.resolve({ headers: {}, tls: {} }));
    const url = `http://127.0.0.1:${port}${options.prefix ?? ""}`;
    const made = createTransport({ server: { url, namespace: "default", credentials }, ...options });
    open.push(made);
    return made;
  }

  const failure = (call: Promise<unknown>): Promise<KubeError> =>
    call.then(
      () => Promise.reject(new Error("worked")),
      (e: KubeError) => e,
    );

  it("sends JSON with the credentials of the moment, below the server's own path", async () => {
    const seen: unknown[] = [];
    answer = (request, response) => {
      seen.push([request.method, request.url, request.headers.authorization, request.headers["content-type"]]);
      response.end("{}");
    };
    let token = 1;
    const sender = transport({
      prefix: "/k8s/clusters/c1/",
      credentials: () => Promise.resolve({ headers: { authorization: `Bearer ${token++}` }, tls: {} }),
    });
    await sender.request({ ...get, query: { limit: 5, continue: undefined } });
    await sender.request({ ...get, method: "PATCH", body: {}, contentType: "application/merge-patch+json" });
    expect(seen).toEqual([
      ["GET", "/k8s/clusters/c1/api/v1/namespaces/a/pods/p?limit=5", "Bearer 1", undefined],
      ["PATCH", "/k8s/clusters/c1/api/v1/namespaces/a/pods/p", "Bearer 2", "application/merge-patch+json"],
    ]);
  });

  it("shows the first line of what a proxy in between answered", async () => {
    answer = (_, response) => response.writeHead(502).end("bad gateway: upstream is gone\n<html>…");
    const error = await failure(transport().request(get));
    expect(error.message).toBe("get pods a/p: bad gateway: upstream is gone");
    expect([error.httpStatus, error.retry]).toEqual([502, "Backoff"]);
  });

  it("counts a body that is not JSON as no answer", async () => {
    answer = (_, response) => response.end("<html>");
    expect(await failure(transport().request(get))).toMatchObject({ httpStatus: 0, retry: "Backoff" });
  });

  it("ends a call at its deadline, in the middle of a body too", async () => {
    answer = (_, response) => response.write('{"half":');
    const error = await failure(transport({ timeoutMs: 50 }).request(get));
    expect(error.message).toContain("no answer within 50 ms");
  });

  it("has no deadline for a stream that has begun, and closes it when the reader leaves", async () => {
    const closed = Promise.withResolvers<void>();
    answer = (_, response) => {
      response.on("close", () => closed.resolve());
      response.write("one");
      setTimeout(() => response.write("two"), 5_000);
    };
    const parts: string[] = [];
    for await (const part of await transport({ timeoutMs: 4_000 }).stream(get)) {
      parts.push(Buffer.from(part).toString());
      if (parts.length === 2) break;
    }
    await closed.promise;
    expect(parts).toEqual(["one", "two"]);
  });

  it("tells a cancelled call from a broken server", async () => {
    const abort = new AbortController();
    answer = () => abort.abort();
    expect((await failure(transport().request({ ...get, signal: abort.signal }))).statusReason).toBe("Aborted");
  });

  it("opens new connections for a rotated certificate, and lets open streams end", async () => {
    const streams: ServerResponse[] = [];
    const ports = new Set<number | undefined>();
    answer = (request, response) => {
      ports.add(request.socket.remotePort);
      if (request.url?.includes("watch") !== true) response.end("{}");
      else streams.push(response.writeHead(200));
      response.flushHeaders();
    };
    let tls = { key: "old" };
    const rotating = transport({ credentials: () => Promise.resolve({ headers: {}, tls }) });
    const stream = await rotating.stream({ ...get, query: { watch: true } });
    await rotating.request(get);
    const old = new Set(ports);
    ports.clear();
    tls = { key: "new" };
    await rotating.request(get);
    expect([...ports].filter((port) => old.has(port))).toEqual([]);
    streams[0]?.end("still here");
    expect(Buffer.concat(await Array.fromAsync(stream)).toString()).toBe("still here");
  });

  it("passes every call through its interceptors, the first one outermost, and meters the answer", async () => {
    answer = (_, response) => response.writeHead(404).end("{}");
    const order: string[] = [];
    const named =
      (name: string): Interceptor =>
      async (request, next) => {
        order.push(`${name} before`);
        try {
          return await next(request);
        } finally {
          order.push(`${name} after`);
        }
      };
    const meter = recordingMeter();
    await failure(transport({ interceptors: [named("outer"), named("inner")], meter }).request(get));
    expect(order).toEqual(["outer before", "inner before", "inner after", "outer after"]);
    expect(meter.value("kube_requests_total", { verb: "get", code: "404" })).toBe(1);
  });
});
