import type { Socket } from "node:net";
import { frameReader, type Frame } from "./frames.ts";
import type { TlsSettings } from "../credentials.ts";
import { adviceOn, openSocket } from "./socket.ts";
import { WireWriter } from "./wire.ts";

/** One call of the protocol. */
export interface Call {
  readonly key: number;
  readonly version: number;
  /** Brokers answer it before a login, too. */
  readonly withoutLogin?: boolean;
}

interface Waiting {
  readonly correlation: number;
  readonly call: Call;
  resolve(frame: Frame): void;
  reject(error: Error): void;
}

export interface Connection {
  readonly address: string;
  /** Whether it takes requests. */
  readonly open: boolean;
  /**
   * Sends a request; `tail` is sent behind the body without a copy and must stay untouched until the answer is here.
   * Rejects when the connection ends first; then nobody knows whether the broker took it.
   */
  send(call: Call, body: WireWriter, tail?: readonly Uint8Array[]): Promise<Frame>;
  /** Takes no more requests, and closes when those under way are answered. */
  retire(): void;
  close(): void;
}

export interface ConnectionOptions {
  readonly clientId: string;
  readonly tls?: TlsSettings | undefined;
  /** A connection with a request in flight that hears nothing for so long is dead. */
  readonly silenceMs: number;
  readonly connectMs: number;
  readonly signal: AbortSignal;
}

const UNHEARD =
  "it accepts connections and then ends them unheard, as a port for TLS or SASL does: see tls and sasl of the connection";

/**
 * A socket that reads into its own buffers (`onread`): the kernel writes a response where it will be decoded. With
 * ordinary "data" events, chunk lists and their concatenation are the largest cost of a fetch.
 */
export function openConnection(host: string, port: number, options: ConnectionOptions): Promise<Connection> {
  return new Promise((resolve, reject) => {
    const address = `${host}:${port}`;
    const waiting: Waiting[] = [];
    const frames = frameReader(
      (frame) => {
        heard ||= waiting[0]?.call.withoutLogin !== true;
        answer(waiting, frame, socket);
        if (retired && waiting.length === 0) aborted();
      },
      (reason) => socket.destroy(new Error(reason)),
    );
    let heard = false;
    let open = false;
    let retired = false;
    let correlation = 0;
    const { target, filled } = frames;
    const { socket, ready } = openSocket({ host, port, tls: options.tls, target, filled });
    const fail = (error: Error): void => {
      open = false;
      clearTimeout(connecting);
      options.signal.removeEventListener("abort", aborted);
      socket.destroy();
      reject(error);
      for (const request of waiting.splice(0)) request.reject(error);
    };
    const failed = (what: string, cause?: Error): void => {
      const advice = adviceOn(cause, host, options.tls !== undefined && !open);
      const hint = open && !heard ? `; ${UNHEARD}` : "";
      fail(new Error(advice === undefined ? `${address}${what}${hint}` : `${address}: ${advice}`, { cause }));
    };
    const aborted = (): void => fail(new Error(`the connection to ${address} was closed`));
    const connecting = setTimeout(
      () => fail(new Error(`${address} did not answer in ${options.connectMs} ms`)),
      options.connectMs,
    );
    options.signal.addEventListener("abort", aborted);
    socket.on("error", (error) => failed(`: ${error.message}`, error));
    socket.on("close", () => failed(" closed the connection"));
    socket.setTimeout(options.silenceMs, () => {
      if (waiting.length > 0) fail(new Error(`${address} did not answer in ${options.silenceMs} ms`));
    });
    const send: Connection["send"] = (call, body, tail = []) => {
      if (!open || retired) return Promise.reject(new Error(`the connection to ${address} is closed`));
      const id = correlation++ & 0x7fff_ffff;
      return new Promise<Frame>((accept, refuse) => {
        waiting.push({ correlation: id, call, resolve: accept, reject: refuse });
        const content = [body.take(), ...tail];
        const size = content.reduce((sum, part) => sum + part.length, 0);
        write(socket, [header(call, id, options.clientId, size), ...content]);
      });
    };
    socket.once(ready, () => {
      open = true;
      clearTimeout(connecting);
      resolve({
        address,
        get open() {
          return open && !retired;
        },
        send,
        retire: () => {
          retired = true;
          if (waiting.length === 0) aborted();
        },
        close: aborted,
      });
    });
    if (options.signal.aborted) aborted();
  });
}
function answer(waiting: Waiting[], frame: Frame, socket: Socket): void {
  const correlation = frame.reader.int32();
  const request = waiting.shift();
  if (request?.correlation === correlation) request.resolve(frame);
  else {
    if (request !== undefined) waiting.unshift(request);
    socket.destroy(new Error(`an answer to request ${correlation} came out of order`));
  }
}

function header(call: Call, correlation: number, clientId: string, size: number): Buffer {
  const head = new WireWriter();
  head.int32(2 + 2 + 4 + 2 + Buffer.byteLength(clientId) + size);
  head.int16(call.key);
  head.int16(call.version);
  head.int32(correlation);
  head.string(clientId);
  return head.take();
}

function write(socket: Socket, parts: readonly Uint8Array[]): void {
  socket.cork();
  for (const part of parts) socket.write(part);
  socket.uncork();
}
