import { WeirError } from "../../../errors.ts";
import { readLogin, readTls, type Login, type References, type TlsSettings } from "../credentials.ts";
import type { KafkaConnectionConfig, SaslConfig, SaslMechanism } from "./config.ts";

/** What one connection is opened with. */
export interface Security {
  readonly tls: TlsSettings | undefined;
  readonly sasl: Credentials | undefined;
}

export interface Credentials extends Login {
  readonly mechanism: SaslMechanism;
  /** The Secret's name, for messages. */
  readonly secret: string;
}

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

function readCredentials({ mechanism, secretRef }: SaslConfig, ctx: References): Credentials {
  if (mechanism === "OAuthBearer") {
    throw new WeirError("SPEC_NOT_IMPLEMENTED", "sasl.mechanism OAuthBearer is not implemented; use ScramSha512");
  }
  const secret = secretRef.name;
  return { mechanism, secret, ...readLogin(secret, ctx) };
}
