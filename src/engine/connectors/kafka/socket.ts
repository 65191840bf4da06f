import { connect, isIP, type Socket, type SocketConstructorOpts } from "node:net";
import { connect as connectTls, type ConnectionOptions } from "node:tls";
import { messageOf } from "../../../errors.ts";
import type { TlsSettings } from "../credentials.ts";
import { codeOf, tlsAdvice } from "../tls-advice.ts";

export interface SocketOptions {
  readonly host: string;
  readonly port: number;
  readonly tls: TlsSettings | undefined;
  /** Where the next bytes go; read into directly, see `openConnection`. */
  readonly target: () => Buffer;
  readonly filled: (bytes: number) => void;
}

/** A socket that is connecting, and the event that says it is usable: with TLS only when the broker has proved who it is. */
export function openSocket({ host, port, tls, target, filled }: SocketOptions): { socket: Socket; ready: string } {
  const onread = {
    buffer: target,
    callback: (bytes: number) => {
      filled(bytes);
      return true;
    },
  };
  if (tls === undefined) return { socket: connect({ host, port, noDelay: true, onread }), ready: "connect" };
  // An address is no name that may be asked for (RFC 6066 §3); the certificate is held against it all the same.
  const servername = isIP(host) === 0 ? { servername: host } : {};
  // `onread` is documented for tls.connect, too, but missing in its type.
  const options: ConnectionOptions & Pick<SocketConstructorOpts, "onread"> = {
    host,
    port,
    ...servername,
    ...tls,
    onread,
  };
  try {
    return { socket: connectTls(options).setNoDelay(), ready: "secureConnect" };
  } catch (error) {
    throw new Error(
      `a certificate or key of the connection's tls is not sound PEM (${messageOf(error)}); check what caRef, caSecretRef and clientSecretRef name`,
      { cause: error },
    );
  }
}

/**
 * What to do about an error of a socket, in the terms of the connection's fields; undefined where there is nothing to add.
 */
export function adviceOn(error: Error | undefined, host: string, duringHandshake: boolean): string | undefined {
  const advice = tlsAdvice(error, host, ", also in the broker's advertised.listeners");
  if (advice !== undefined) return advice;
  return codeOf(error) === "ECONNRESET" && duringHandshake
    ? "it ends the TLS handshake; if this is a port without TLS, remove tls from the connection or use another port"
    : undefined;
}
