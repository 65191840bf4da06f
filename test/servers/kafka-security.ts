/** What secured listeners of a test broker need: certificates by openssl, users, and their passwords. */
import { execFile } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { pbkdf2Sync, randomBytes } from "node:crypto";
import { join } from "node:path";
import { promisify } from "node:util";
import { alterUserScramCredentialsV0, Connection } from "@platformatic/kafka";

export interface BrokerPki {
  /** PEM of the CA that signed the broker's certificate, which is made for "localhost" only. */
  readonly ca: string;
  /** PEM of a CA that signed nothing of the broker. */
  readonly otherCa: string;
  /** The broker's own, for other servers that are called "localhost". */
  readonly server: { readonly certificate: string; readonly key: string };
  readonly clientCert: string;
  readonly clientKey: string;
  /** Of `startKafka`: listeners with TLS; the one called SSL wants a client certificate. */
  readonly settings: Readonly<Record<string, string>>;
}

/** EC P-256, because RSA would cost seconds. */
async function makeCertificate(dir: string, name: string, extra: readonly string[]): Promise<void> {
  const file = join(dir, name);
  const subject = ["-subj", `/CN=${name}`, "-days", "30"];
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", `${file}.key`];
  const args = ["req", "-x509", ...subject, ...key, "-out", `${file}.crt`, ...extra];
  await promisify(execFile)("openssl", args);
}

/** Of a server at localhost, by name and by address. */
export async function makeSelfSigned(dir: string, name: string): Promise<BrokerPki["server"]> {
  await makeCertificate(dir, name, ["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]);
  const text = (suffix: string): string => readFileSync(join(dir, `${name}.${suffix}`), "utf8");
  return { certificate: text("crt"), key: text("key") };
}

export async function makeBrokerPki(dir: string): Promise<BrokerPki> {
  const file = (name: string): string => join(dir, name);
  const text = (name: string): string => readFileSync(file(name), "utf8");
  const certificate = (name: string, extra: readonly string[]): Promise<void> => makeCertificate(dir, name, extra);
  const signed = ["-CA", file("ca.crt"), "-CAkey", file("ca.key"), "-addext", "basicConstraints=critical,CA:FALSE"];
  await Promise.all([certificate("ca", []), certificate("other-ca", [])]);
  await Promise.all([
    certificate("broker", [...signed, "-addext", "subjectAltName=DNS:localhost"]),
    certificate("client", signed),
  ]);
  writeFileSync(file("broker.pem"), text("broker.key") + text("broker.crt"));
  return {
    ca: text("ca.crt"),
    otherCa: text("other-ca.crt"),
    server: { certificate: text("broker.crt"), key: text("broker.key") },
    clientCert: text("client.crt"),
    clientKey: text("client.key"),
    settings: {
      "ssl.keystore.type": "PEM",
      "ssl.keystore.location": file("broker.pem"),
      "ssl.truststore.type": "PEM",
      "ssl.truststore.location": file("ca.crt"),
      "listener.name.ssl.ssl.client.auth": "required",
    },
  };
}

/** Of `startKafka`: a listener that takes PLAIN with these users, and SCRAM with those of `setScramPassword`. */
export function saslSettings(listener: string, plainUsers: Readonly<Record<string, string>>): Record<string, string> {
  const name = `listener.name.${listener.toLowerCase()}`;
  const users = Object.entries(plainUsers).map(([user, password]) => ` user_${user}="${password}"`);
  const scram = "org.apache.kafka.common.security.scram.ScramLoginModule required;";
  return {
    [`${name}.sasl.enabled.mechanisms`]: "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512",
    [`${name}.plain.sasl.jaas.config`]: `org.apache.kafka.common.security.plain.PlainLoginModule required${users.join("")};`,
    [`${name}.scram-sha-256.sasl.jaas.config`]: scram,
    [`${name}.scram-sha-512.sasl.jaas.config`]: scram,
  };
}

const SCRAM = { sha256: { id: 1, bytes: 32 }, sha512: { id: 2, bytes: 64 } };

/** Creates the user or changes the password, for both hashes, over the listener without security. */
export async function setScramPassword(broker: string, user: string, password: string): Promise<void> {
  const [host = "", port] = broker.split(":");
  const connection = new Connection("weir-test");
  await connection.connect(host, Number(port));
  try {
    for (const [hash, { id, bytes }] of Object.entries(SCRAM)) {
      const salt = randomBytes(16);
      const saltedPassword = pbkdf2Sync(password, salt, 4096, bytes, hash);
      const credentials = { name: user, mechanism: id, iterations: 4096, salt, saltedPassword };
      await alterUserScramCredentialsV0.api.async(connection, [], [credentials]);
    }
  } finally {
    await connection.close();
  }
}
