import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { z } from "zod";
import { isWeirError, messageOf, WeirError } from "../errors.ts";
import type { Refusal } from "./authorization.ts";

const MAX_BODY_BYTES = 1024 * 1024;

/** A call that reached its route: `id` is the path's variable part. */
export interface Call {
  readonly id: string;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  /** The JSON body, checked; throws SPEC_INVALID, which becomes 400. */
  body<S extends z.ZodType>(schema: S): Promise<z.infer<S>>;
}

/** What a route answers: a status and a JSON body, text, or nothing because it keeps the response. */
export type Answer = { status: number; json?: unknown; text?: string; type?: string } | "kept";

export interface Route {
  readonly method: "GET" | "POST" | "PUT" | "DELETE";
  /** `:id` stands for one path segment. */
  readonly path: string;
  readonly run: (call: Call) => Answer | Promise<Answer>;
}

export interface ControlServer {
  readonly address: AddressInfo;
  close(): Promise<void>;
}

/** Serves the routes; those below /v1 only to callers that `authorize` lets in. */
export async function controlServer(
  { host, port }: { host: string; port: number },
  routes: readonly Route[],
  authorize: (headers: IncomingMessage["headers"]) => Refusal | undefined,
): Promise<ControlServer> {
  const server = createServer(
    { headersTimeout: 10_000, requestTimeout: 30_000, maxHeaderSize: 16_384 },
    (request, response) => {
      void answer(request, response, routes, authorize);
    },
  );
  await listen(server, host, port);
  return {
    address: server.address() as AddressInfo,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function listen(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", (e) => {
      reject(new WeirError("CONFIG_INVALID", `cannot listen on ${host}:${port}: ${e.message}`, { cause: e }));
    });
    server.listen(port, host, resolve);
  });
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  routes: readonly Route[],
  authorize: (headers: IncomingMessage["headers"]) => Refusal | undefined,
): Promise<void> {
  const path = (request.url ?? "/").split("?")[0] as string;
  const refusal = path.startsWith("/v1") ? authorize(request.headers) : undefined;
  if (refusal !== undefined) {
    send(response, { status: refusal.status, json: { code: "WORKER_REFUSED", message: refusal.message } });
    return;
  }
  const matching = routes.flatMap((route) => {
    const id = match(route.path, path);
    return id === undefined ? [] : [{ route, id }];
  });
  const found = matching.find(({ route }) => route.method === request.method);
  if (found === undefined) {
    const status = matching.length > 0 ? 405 : 404;
    send(response, { status, json: { code: "WORKER_REFUSED", message: `${request.method} ${path}: no such call` } });
    return;
  }
  try {
    const body = <S extends z.ZodType>(schema: S): Promise<z.infer<S>> => readBody(request, schema);
    const result = await found.route.run({ id: found.id, request, response, body });
    if (result !== "kept") send(response, result);
  } catch (e) {
    send(response, {
      status: statusOf(e),
      json: { code: isWeirError(e) ? e.code : "INTERNAL", message: messageOf(e) },
    });
  }
}

function match(pattern: string, path: string): string | undefined {
  const want = pattern.split("/");
  const have = path.split("/");
  if (want.length !== have.length) return undefined;
  let id = "";
  for (const [i, segment] of want.entries()) {
    const given = have[i] as string;
    if (segment === ":id") id = decoded(given);
    else if (segment !== given) return undefined;
  }
  return id;
}

/** What is no encoded text stands for itself: a caller's typing error must not end the worker. */
function decoded(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment;
  }
}

function statusOf(e: unknown): number {
  if (!isWeirError(e)) return 500;
  if (e.code === "SPEC_INVALID") return 400;
  if (e.code === "WORKER_UNREACHABLE") return 503;
  return e.retry === "Terminal" ? 409 : 500;
}

async function readBody<S extends z.ZodType>(request: IncomingMessage, schema: S): Promise<z.infer<S>> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > MAX_BODY_BYTES) throw new WeirError("SPEC_INVALID", `the body is larger than ${MAX_BODY_BYTES} bytes`);
    chunks.push(chunk);
  }
  let value: unknown;
  try {
    value = JSON.parse(Buffer.concat(chunks).toString("utf8"));
  } catch (e) {
    throw new WeirError("SPEC_INVALID", `the body is not JSON: ${messageOf(e)}`, { cause: e });
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  throw new WeirError("SPEC_INVALID", `${issue?.path.join(".") ?? "body"}: ${issue?.message ?? "not valid"}`);
}

function send(response: ServerResponse, { status, json, text, type }: Exclude<Answer, "kept">): void {
  if (response.headersSent) return;
  const body = json === undefined ? (text ?? "") : JSON.stringify(json);
  const contentType = type ?? (json === undefined ? "text/plain; charset=utf-8" : "application/json");
  response.writeHead(status, { "content-type": contentType, "content-length": Buffer.byteLength(body) });
  response.end(body);
}
