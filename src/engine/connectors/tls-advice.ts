import { messageOf } from "../../errors.ts";

const UNTRUSTED = [
  "DEPTH_ZERO_SELF_SIGNED_CERT",
  "SELF_SIGNED_CERT_IN_CHAIN",
  "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
  "UNABLE_TO_GET_ISSUER_CERT",
  "UNABLE_TO_GET_ISSUER_CERT_LOCALLY",
  "CERT_SIGNATURE_FAILURE",
];

export const codeOf = (error: unknown): string => (error instanceof Error && "code" in error ? String(error.code) : "");

/**
 * What to do about a TLS handshake that failed, in the terms of the connection's fields; undefined where there is nothing
 * to add. OpenSSL's own words for it are of no use to anybody. `alsoNamed`: where else the host has its name from.
 */
export function tlsAdvice(error: unknown, host: string, alsoNamed = ""): string | undefined {
  const code = codeOf(error);
  const advice = adviceOf(code, host, alsoNamed);
  return advice === undefined ? undefined : `${advice} (${code})`;
}

/** The error of a client, with the advice. */
export function withTlsAdvice(error: unknown, host: string): unknown {
  const advice = tlsAdvice(error, host);
  return advice === undefined ? error : new Error(`${host}: ${messageOf(error)}; ${advice}`, { cause: error });
}

function adviceOf(code: string, host: string, alsoNamed: string): string | undefined {
  if (UNTRUSTED.includes(code))
    return (
      "its certificate is not signed by a CA that is trusted here; put the CA's certificate into tls.caSecretRef or tls.caRef, " +
      "or for a trial set tls.insecureSkipVerify"
    );
  if (code === "ERR_TLS_CERT_ALTNAME_INVALID")
    return `its certificate is not made for "${host}"; use a name that is in it${alsoNamed}`;
  if (code === "CERT_HAS_EXPIRED" || code === "CERT_NOT_YET_VALID")
    return "its certificate is out of date; renew it, or set the clocks";
  if (/ALERT_(BAD_CERTIFICATE|UNKNOWN_CA|CERTIFICATE|UNSUPPORTED_CERTIFICATE)|CERTIFICATE_REQUIRED/.test(code))
    return "it wants a client certificate that it trusts; name a Secret with tls.crt and tls.key in tls.clientSecretRef";
  if (code === "ERR_SSL_WRONG_VERSION_NUMBER" || code === "ERR_SSL_PACKET_LENGTH_TOO_LONG")
    return "it does not speak TLS on this port; remove tls from the connection, or use the port of a TLS listener";
  return undefined;
}
