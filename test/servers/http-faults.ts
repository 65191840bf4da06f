/** An HTTP proxy that does to chosen requests what a store on a bad day does. */
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { Agent, request } from "undici";

/** `cut`: the connection ends unanswered. `lose`: the server does it and the answer is lost. A number: that status. */
export type HttpFault = "cut" | "lose" | number | { readonly waitMs: number };

export interface HttpFaults {
  readonly url: string;
  /** Requests whose `METHOD /path` matches, the next `times` of them. */
  inject(match: RegExp, fault: HttpFault, times?: number): void;
  heal(): void;
  /** How often faults have struck. */
  readonly strikes: number;
  stop(): Promise<void>;
}

interface Injected {
  readonly match: RegExp;
  readonly fault: HttpFault;
  left: number;
}

export async function startHttpFaults(upstream: string): Promise<HttpFaults> {
  const agent = new Agent();
  let faults: Injected[] = [];
  let strikes = 0;
  const strike = (incoming: IncomingMessage): HttpFault | undefined => {
    const found = faults.find((f) => f.left > 0 && f.match.test(`${incoming.method ?? ""} ${incoming.url ?? ""}`));
    if (found === undefined) return undefined;
    found.left--;
    strikes++;
    return found.fault;
  };
  const serve = async (incoming: IncomingMessage, response: ServerResponse): Promise<void> => {
    const body = await bytesOf(incoming);
    const fault = strike(incoming);
    if (fault === "cut") return void incoming.socket.destroy();
    if (typeof fault === "number") return void response.writeHead(fault).end();
    if (typeof fault === "object") await new Promise((resolve) => setTimeout(resolve, fault.waitMs));
    const answer = await request(upstream + (incoming.url ?? ""), {
      method: incoming.method as "GET",
      headers: Object.fromEntries(Object.entries(incoming.headers).filter(([name]) => !HOP.has(name))),
      body,
      dispatcher: agent,
    });
    const bytes = Buffer.from(await answer.body.arrayBuffer());
    if (fault === "lose") return void incoming.socket.destroy();
    const headers = Object.entries(answer.headers).filter(([name]) => !HOP.has(name));
    response.writeHead(answer.statusCode, Object.fromEntries(headers)).end(bytes);
  };
  const server = createServer((incoming, response) => {
    response.on("error", () => undefined);
    serve(incoming, response).catch(() => incoming.socket.destroy());
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    inject: (match, fault, times = 1) => faults.push({ match, fault, left: times }),
    heal: () => {
      faults = [];
    },
    get strikes() {
      return strikes;
    },
    stop: async () => {
      server.closeAllConnections();
      server.close();
      await agent.close();
    },
  };
}

/** Of one connection only. The host stays: it is signed. */
const HOP = new Set(["connection", "transfer-encoding", "content-length", "keep-alive", "expect"]);

async function bytesOf(incoming: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of incoming) chunks.push(chunk);
  return Buffer.concat(chunks);
}
