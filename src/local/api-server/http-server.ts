import { once } from "node:events";
import type { IncomingMessage, ServerResponse } from "node:http";
import { messageOf } from "../../errors.ts";
import { addressOf } from "./address.ts";
import { decode } from "./body.ts";
import type { Call } from "./call.ts";
import { now } from "./call.ts";
import type { Cluster } from "./cluster.ts";
import { handle } from "./handlers.ts";
import { plainAnswer } from "./plain-routes.ts";
import { decodeProtobuf, isProtobuf } from "./protobuf.ts";
import { podLog } from "./pod-log.ts";
import type { Status } from "./status-error.ts";
import { StatusError, methodNotAllowed } from "./status-error.ts";
import type { TableRequest } from "./table.ts";
import { represent } from "./table.ts";
import type { WatchEvent } from "./watching.ts";
import { watchPlan } from "./watching.ts";

const LARGEST_BODY = 3 * 1024 * 1024;

async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > LARGEST_BODY) {
      throw new StatusError(413, "RequestEntityTooLarge", `Request entity too large: limit is ${LARGEST_BODY}`);
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function send(response: ServerResponse, code: number, type: string, body: unknown): void {
  const text = typeof body === "string" ? body : `${JSON.stringify(body)}\n`;
  response.writeHead(code, {
    "content-type": type,
    "content-length": Buffer.byteLength(text),
    "cache-control": "no-cache, private",
  });
  response.end(text);
}

function statusOf(e: unknown): Status {
  if (e instanceof StatusError) return e.status;
  return new StatusError(500, "InternalError", `Internal error occurred: ${messageOf(e)}`, {
    causes: [{ reason: "InternalError", message: messageOf(e), field: "" }],
  }).status;
}

function sendStatus(response: ServerResponse, status: Status): void {
  if (response.headersSent) {
    response.destroy();
    return;
  }
  const retryAfter = status.details?.retryAfterSeconds;
  if (retryAfter !== undefined) response.setHeader("Retry-After", String(retryAfter));
  send(response, status.code ?? 500, "application/json", status);
}

function header(request: IncomingMessage, name: string): string {
  const value = request.headers[name];
  return typeof value === "string" ? value : "";
}

async function callOf(cluster: Cluster, request: IncomingMessage, url: URL, signal: AbortSignal): Promise<Call> {
  const mediaType = header(request, "content-type").split(";")[0]?.trim() ?? "";
  const body = await bodyOf(request);
  return {
    cluster,
    ...addressOf(cluster, url.pathname),
    method: request.method ?? "GET",
    query: url.searchParams,
    mediaType,
    accept: header(request, "accept"),
    userAgent: header(request, "user-agent"),
    body: isProtobuf(body) ? { value: decodeProtobuf(body), duplicates: [] } : decode(body.toString("utf8"), mediaType),
    warnings: [],
    signal,
  };
}

function tableRequest(call: Call, withColumns: boolean): TableRequest {
  const include = call.query.get("includeObject") ?? "Metadata";
  return { resource: call.resource, include, now: now(call).getTime(), withColumns };
}

function isWatch(call: Call): boolean {
  const asked = call.query.get("watch");
  return call.method === "GET" && call.subresource === "" && (asked === "true" || asked === "1" || asked === "");
}

/** Writes events as lines until the client goes, the time is up, or the server stops. */
function watch(call: Call, response: ServerResponse): void {
  const plan = watchPlan(call);
  let isFirst = true;
  const write = (event: WatchEvent): void => {
    const object =
      event.type === "ERROR" ? event.object : represent(event.object, call.accept, tableRequest(call, isFirst));
    isFirst = false;
    response.write(`${JSON.stringify({ type: event.type, object })}\n`);
  };
  response.writeHead(200, { "content-type": "application/json", "cache-control": "no-cache, private" });
  response.flushHeaders();
  for (const event of plan.first) write(event);
  if (plan.first.some((event) => event.type === "ERROR")) {
    response.end();
    return;
  }
  const unfollow = plan.follow(write);
  // A slow reader gets what was written before; nothing may come after the end.
  const stop = (): void => {
    unfollow();
    response.end();
  };
  const timer = setTimeout(stop, plan.timeoutMs);
  call.signal.addEventListener("abort", stop);
  response.once("close", () => {
    clearTimeout(timer);
    unfollow();
    call.signal.removeEventListener("abort", stop);
  });
}

async function sendLog(call: Call, response: ServerResponse): Promise<void> {
  const chunks = podLog(call);
  response.writeHead(200, { "content-type": "text/plain" });
  response.flushHeaders();
  for await (const chunk of chunks) {
    if (response.destroyed) return;
    if (!response.write(chunk)) await Promise.race([once(response, "drain"), once(response, "close")]);
  }
  response.end();
}

const escapeWarning = (text: string): string =>
  text.replaceAll(/[\\"]/g, (c) => `\\${c}`).replaceAll(/[^\x20-\x7e]/g, "?");

async function serveObjects(call: Call, response: ServerResponse): Promise<void> {
  if (call.subresource === "log" && call.resource.group === "" && call.resource.plural === "pods") {
    if (call.method !== "GET") throw methodNotAllowed();
    await sendLog(call, response);
    return;
  }
  if (isWatch(call)) {
    watch(call, response);
    return;
  }
  const { code, body } = handle(call);
  if (call.warnings.length > 0)
    response.setHeader(
      "Warning",
      call.warnings.map((text) => `299 - "${escapeWarning(text)}"`),
    );
  send(response, code, "application/json", represent(body, call.accept, tableRequest(call, true)));
}

/** Serves one request; never throws. */
export async function serve(
  cluster: Cluster,
  request: IncomingMessage,
  response: ServerResponse,
  stopping: AbortSignal,
): Promise<void> {
  const gone = new AbortController();
  response.once("close", () => gone.abort());
  try {
    const url = new URL(request.url ?? "/", "http://local");
    const accept = header(request, "accept");
    const plain = plainAnswer({ cluster, path: url.pathname, accept, address: header(request, "host") });
    if (plain !== undefined) {
      send(response, 200, plain.type, plain.body);
      return;
    }
    if (!/^\/apis?\//.test(url.pathname)) {
      send(response, 404, "text/plain; charset=utf-8", "404 page not found\n");
      return;
    }
    const call = await callOf(cluster, request, url, AbortSignal.any([stopping, gone.signal]));
    await serveObjects(call, response);
  } catch (e) {
    sendStatus(response, statusOf(e));
  }
}
