import type { ConnectionOptions } from "node:tls";
import { messageOf } from "../../errors.ts";
import type { ConnectorContext } from "./connector.ts";

interface KeyReference {
  readonly name: string;
  readonly key: string;
}

export interface TlsConfig {
  /** CA bundle in PEM, in a ConfigMap; without either, the public CAs that Node brings. */
  readonly caRef?: KeyReference;
  readonly caSecretRef?: KeyReference;
  /** Secret with tls.crt and tls.key. */
  readonly clientSecretRef?: { readonly name: string };
  readonly insecureSkipVerify?: boolean;
}

export type TlsSettings = Pick<ConnectionOptions, "ca" | "cert" | "key" | "rejectUnauthorized">;

export interface Login {
  readonly username: string;
  readonly password: string;
}

/**
 * Mounted Secrets and ConfigMaps are read anew for each connection: a rotated password or certificate is used from the
 * next connection on, without a restart. What is missing is an error of the attempt, not the end of the job.
 */
export type References = Pick<ConnectorContext, "referenced">;

export function readTls(
  { caRef, caSecretRef, clientSecretRef: client, insecureSkipVerify }: TlsConfig,
  ctx: References,
): TlsSettings {
  const ca = [
    ...(caRef === undefined ? [] : [required(ctx, "ConfigMap", caRef.name, caRef.key)]),
    ...(caSecretRef === undefined ? [] : [required(ctx, "Secret", caSecretRef.name, caSecretRef.key)]),
  ];
  return {
    ...(ca.length === 0 ? {} : { ca }),
    ...(client === undefined
      ? {}
      : {
          cert: required(ctx, "Secret", client.name, "tls.crt"),
          key: required(ctx, "Secret", client.name, "tls.key"),
        }),
    rejectUnauthorized: insecureSkipVerify !== true,
  };
}

/** The keys `username` and `password` of a Secret; one line end behind a value is left out. */
export function readLogin(secret: string, ctx: References): Login {
  const value = (key: string): string => required(ctx, "Secret", secret, key).replace(/\r?\n$/, "");
  return { username: value("username"), password: value("password") };
}

/** What a server says to a login that it refuses, with where the login comes from. */
export function refusedLogin(error: unknown, secretRef: { readonly name: string } | undefined): Error {
  const from =
    secretRef === undefined
      ? "the connection names no secretRef"
      : `the user and password are those of Secret "${secretRef.name}": correct it, or the user; it is read again at the next try`;
  return new Error(`${messageOf(error)}; ${from}`, { cause: error });
}

function required(ctx: References, kind: "Secret" | "ConfigMap", name: string, key: string): string {
  const value = ctx.referenced(kind, name, key);
  if (value !== undefined && value !== "") return value;
  throw new Error(`${kind} "${name}" has no key "${key}"; add it: it is read again at the next try`);
}
