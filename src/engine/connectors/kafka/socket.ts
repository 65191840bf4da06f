import { connect, isIP, type Socket, type SocketConstructorOpts } from "node:net";
import { connect as connectTls, type ConnectionOptions } from "node:tls";
import { messageOf } from "../../../errors.ts";
import type { TlsSettings } from "../credentials.ts";

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

const UNTRUSTED = [
  "DEPTH_ZERO_SELF_SIGNED_CERT",
  "SELF_SIGNED_CERT_IN_CHAIN",
  "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
  "UNABLE_TO_GET_ISSUER_CERT",
  "UNABLE_TO_GET_ISSUER_CERT_LOCALLY",
  "CERT_SIGNATURE_FAILURE",
];

/**
 * What to do about an error of a socket, in the terms of the connection's fields; undefined where there is nothing to add.
 * OpenSSL's own words for it are of no use to anybody.
 */
export function adviceOn(error: Error | undefined, host: string, duringHandshake: boolean): string | undefined {
  const code = error !== undefined && "code" in error ? String(error.code) : "";
  const advice = tlsAdvice(code, host);
  if (advice !== undefined) return `${advice} (${code})`;
  return code === "ECONNRESET" && duringHandshake
    ? "it ends the TLS handshake; if this is a port without TLS, remove tls from the connection or use another port"
    : undefined;
}

function tlsAdvice(code: string, host: string): string | undefined {
  if (UNTRUSTED.includes(code))
    return "its certificate is not signed by a CA that is trusted here; put the CA's certificate into tls.caSecretRef or tls.caRef";
  if (code === "ERR_TLS_CERT_ALTNAME_INVALID")
    return `its certificate is not made for "${host}"; use a name that is in it, also in the broker's advertised.listeners`;
  if (code === "CERT_HAS_EXPIRED" || code === "CERT_NOT_YET_VALID")
    return "its certificate is out of date; renew it, or set the clocks";
  if (/ALERT_(BAD_CERTIFICATE|UNKNOWN_CA|CERTIFICATE|UNSUPPORTED_CERTIFICATE)|CERTIFICATE_REQUIRED/.test(code))
    return "it wants a client certificate that it trusts; name a Secret with tls.crt and tls.key in tls.clientSecretRef";
  if (code === "ERR_SSL_WRONG_VERSION_NUMBER" || code === "ERR_SSL_PACKET_LENGTH_TOO_LONG")
    return "it does not speak TLS on this port; remove tls from the connection, or use the port of a TLS listener";
  return undefined;
}
