import type { ConnectionOptions } from "node:tls";
import { WeirError } from "../../../errors.ts";
import type { ConnectorContext } from "../connector.ts";
import type { KafkaConnectionConfig, SaslConfig, SaslMechanism, TlsConfig } from "./config.ts";

/** What one connection is opened with. */
export interface Security {
  readonly tls: TlsSettings | undefined;
  readonly sasl: Credentials | undefined;
}

export type TlsSettings = Pick<ConnectionOptions, "ca" | "cert" | "key" | "rejectUnauthorized">;

export interface Credentials {
  readonly mechanism: SaslMechanism;
  /** The Secret's name, for messages. */
  readonly secret: string;
  readonly username: string;
  readonly password: string;
}

type References = Pick<ConnectorContext, "referenced">;

/**
 * Reads the mounted Secrets and ConfigMaps anew for each connection: a rotated password or certificate is used from the
 * next connection on, without a restart. What is missing is an error of the attempt, not the end of the job.
 */
export function readSecurity({ tls, sasl }: KafkaConnectionConfig, ctx: References): Security {
  return {
    tls: tls === undefined ? undefined : readTls(tls, ctx),
    sasl: sasl === undefined ? undefined : readCredentials(sasl, ctx),
  };
}

function readTls({ caRef, caSecretRef, clientSecretRef: client, insecureSkipVerify }: TlsConfig, ctx: References) {
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

function readCredentials({ mechanism, secretRef }: SaslConfig, ctx: References): Credentials {
  if (mechanism === "OAuthBearer") {
    throw new WeirError("SPEC_NOT_IMPLEMENTED", "sasl.mechanism OAuthBearer is not implemented; use ScramSha512");
  }
  const secret = secretRef.name;
  const value = (key: string): string => required(ctx, "Secret", secret, key).replace(/\r?\n$/, "");
  return { mechanism, secret, username: value("username"), password: value("password") };
}

function required(ctx: References, kind: "Secret" | "ConfigMap", name: string, key: string): string {
  const value = ctx.referenced(kind, name, key);
  if (value !== undefined && value !== "") return value;
  throw new Error(`${kind} "${name}" has no key "${key}"; add it: it is read again at the next try`);
}
