import { createServer } from "node:http";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Registry } from "prom-client";
import { WeirError, messageOf } from "../errors.ts";

export interface ProbeServer {
  readonly port: number;
  close(): Promise<void>;
}

export interface ProbeServerOptions {
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  /** Undefined while everything is well, else why not. */
  readonly live: () => string | undefined;
  readonly ready: () => string | undefined;
  /** What is worth saying although it is ready. */
  readonly remark?: () => string | undefined;
  readonly metrics: Registry;
}

/** /healthz, /readyz and /metrics: reads only, no token, on a port of their own. */
export async function startProbeServer(options: ProbeServerOptions): Promise<ProbeServer> {
  const server = createServer((request, response) => {
    answer(options, request, response).catch((e: unknown) => {
      response.writeHead(500, { "content-type": "text/plain" }).end(messageOf(e));
    });
  });
  server.headersTimeout = 5_000;
  server.requestTimeout = 10_000;
  await new Promise<void>((resolve, reject) => {
    server.once("error", (e) =>
      reject(new WeirError("CONFIG_INVALID", `cannot listen on ${options.host}:${options.port}: ${e.message}`)),
    );
    server.listen(options.port, options.host, resolve);
  });
  const address = server.address();
  return {
    port: typeof address === "object" && address !== null ? address.port : options.port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function answer(options: ProbeServerOptions, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const path = request.url?.split("?")[0];
  if (request.method !== "GET") {
    response.writeHead(405).end();
  } else if (path === "/metrics") {
    const text = await options.metrics.metrics();
    response.writeHead(200, { "content-type": options.metrics.contentType }).end(text);
  } else if (path === "/healthz" || path === "/readyz") {
    const trouble = path === "/healthz" ? options.live() : options.ready();
    const remark = path === "/readyz" ? options.remark?.() : undefined;
    const well = remark === undefined ? "ok" : `ok; ${remark}`;
    response.writeHead(trouble === undefined ? 200 : 503, { "content-type": "text/plain" }).end(trouble ?? well);
  } else {
    response.writeHead(404).end();
  }
}
