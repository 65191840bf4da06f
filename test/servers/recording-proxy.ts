/** An HTTP proxy in front of a Kubernetes API server that writes down each call, and what a replay has to know of its answer. */
import { once } from "node:events";
import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { Agent, request } from "undici";

/** A value of an answer that later calls may name: a uid, a resourceVersion, a continue token. */
export type Learned = readonly [pointer: string, value: string];

export interface RecordedCall {
  readonly method: string;
  /** With the query. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
  /** The body, where it is not text. */
  readonly base64?: string;
  readonly learned?: readonly Learned[];
  /** How many events a watch delivered, bookmarks not counted. */
  readonly events?: number;
}

export interface Recorder {
  readonly url: string;
  stop(): Promise<void>;
}

const KEPT_HEADERS = ["accept", "content-type", "user-agent"];
const VOLATILE = new Set(["uid", "resourceVersion", "continue"]);
const MOST_LEARNED = 200;

export function learnedFrom(value: unknown, pointer = ""): Learned[] {
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([key, item]) => {
    const at = `${pointer}/${key}`;
    if (VOLATILE.has(key) && typeof item === "string" && item !== "") return [[at, item] as const];
    return learnedFrom(item, at);
  });
}

function keptHeaders(incoming: IncomingMessage): Record<string, string> {
  const pairs = KEPT_HEADERS.map((name) => [name, incoming.headers[name]] as const);
  const present = pairs.filter((pair): pair is [string, string] => typeof pair[1] === "string");
  // Answers are asked for as JSON, so that they can be read and compared.
  return Object.fromEntries(
    present.map(([name, value]) => [
      name,
      name === "accept" ? value.replace("application/vnd.kubernetes.protobuf,", "") : value,
    ]),
  );
}

async function bytesOf(incoming: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of incoming) chunks.push(chunk);
  return Buffer.concat(chunks);
}

function recordedBody(sent: Buffer, mediaType: string): Pick<RecordedCall, "body" | "base64"> {
  if (sent.length === 0) return {};
  return mediaType.includes("protobuf") ? { base64: sent.toString("base64") } : { body: sent.toString() };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Starts the proxy; `record` is called once for each call, when its answer has ended, with the number of its start. */
export async function startRecorder(
  upstream: { readonly url: string; readonly token: string },
  record: (call: RecordedCall, number: number) => void,
): Promise<Recorder> {
  const dispatcher = new Agent({ connect: { rejectUnauthorized: false }, headersTimeout: 0, bodyTimeout: 0 });
  let started = 0;

  const forward = async (incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> => {
    const number = started;
    started += 1;
    const path = incoming.url ?? "/";
    const sent = await bytesOf(incoming);
    const headers = keptHeaders(incoming);
    const gone = new AbortController();
    outgoing.once("close", () => gone.abort());
    const call: RecordedCall = {
      method: incoming.method ?? "GET",
      path,
      headers,
      ...recordedBody(sent, headers["content-type"] ?? ""),
    };
    const chunks: Uint8Array[] = [];
    try {
      const answer = await request(`${upstream.url}${path}`, {
        method: call.method as "GET",
        headers: { ...headers, authorization: `Bearer ${upstream.token}` },
        body: sent.length === 0 ? null : sent,
        dispatcher,
        signal: gone.signal,
      });
      outgoing.writeHead(answer.statusCode, answer.headers as Record<string, string>);
      outgoing.flushHeaders();
      for await (const chunk of answer.body as AsyncIterable<Uint8Array>) {
        chunks.push(chunk);
        outgoing.write(chunk);
      }
    } catch (e) {
      if (!gone.signal.aborted) throw e;
    } finally {
      outgoing.end();
      record({ ...call, ...learnedIn(path, Buffer.concat(chunks).toString()) }, number);
    }
  };

  const server = createServer((incoming, outgoing) => {
    forward(incoming, outgoing).catch((e: unknown) => outgoing.destroy(e instanceof Error ? e : new Error(String(e))));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    stop: async () => {
      server.closeAllConnections();
      server.close();
      await dispatcher.destroy();
    },
  };
}

export function isWatchPath(path: string): boolean {
  return /[?&]watch=(true|1)\b/.test(path);
}

function learnedIn(path: string, text: string): Pick<RecordedCall, "learned" | "events"> {
  if (isWatchPath(path)) {
    const lines = text.split("\n").filter((line) => line !== "" && !line.includes('"type":"BOOKMARK"'));
    return { events: lines.length };
  }
  if (!/^\/apis?\//.test(path)) return {};
  const learned = learnedFrom(parsed(text)).slice(0, MOST_LEARNED);
  return learned.length === 0 ? {} : { learned };
}
