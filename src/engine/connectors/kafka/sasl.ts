import { messageOf } from "../../../errors.ts";
import type { SaslMechanism } from "./config.ts";
import type { Call, Connection } from "./connection.ts";
import { ErrorCode, errorName } from "./error-codes.ts";
import { scramClient, type ScramHash } from "./scram.ts";
import type { Credentials } from "./security.ts";
import { WireWriter } from "./wire.ts";

/** SASL as Kafka speaks it (KIP-43, KIP-152): the mechanism's messages inside of calls of the protocol. */
const HANDSHAKE: Call = { key: 17, version: 1 };
const AUTHENTICATE: Call = { key: 36, version: 1 };

const names: Readonly<Record<SaslMechanism, string>> = {
  Plain: "PLAIN",
  ScramSha256: "SCRAM-SHA-256",
  ScramSha512: "SCRAM-SHA-512",
};

/** Milliseconds for which the login is good (KIP-368); 0 is without end. Nothing of the credentials is in an error. */
export async function authenticate(connection: Connection, credentials: Credentials): Promise<number> {
  const { mechanism } = credentials;
  await handshake(connection, mechanism);
  if (mechanism === "Plain") return await plain(connection, credentials);
  return await scram(connection, credentials, mechanism === "ScramSha256" ? "sha256" : "sha512");
}

async function handshake(connection: Connection, mechanism: SaslMechanism): Promise<void> {
  const body = new WireWriter();
  body.string(names[mechanism]);
  const { reader } = await connection.send(HANDSHAKE, body);
  const error = reader.int16();
  const offered = reader.array(() => reader.string() ?? "");
  if (error === ErrorCode.None) return;
  const { address } = connection;
  if (error === ErrorCode.UnsupportedSaslMechanism) {
    throw new Error(
      `${address} does not take SASL ${names[mechanism]}, only ${printable(offered.join(", "))}; change sasl.mechanism of the connection, or enable it there`,
    );
  }
  if (error === ErrorCode.IllegalSaslState) {
    throw new Error(
      `${address} wants no login on this port; remove sasl from the connection, or use the port of a SASL listener`,
    );
  }
  throw new Error(`${address} refuses SASL: ${errorName(error)}`);
}

async function plain(connection: Connection, credentials: Credentials): Promise<number> {
  const { username, password } = credentials;
  const { lifetimeMs } = await step(connection, credentials, `\0${username}\0${password}`);
  return lifetimeMs;
}

async function scram(connection: Connection, credentials: Credentials, hash: ScramHash): Promise<number> {
  const client = scramClient(hash, credentials.username, credentials.password);
  const first = await step(connection, credentials, client.first);
  try {
    const last = await step(connection, credentials, await client.final(first.text));
    client.verify(last.text);
    return last.lifetimeMs;
  } catch (error) {
    if (error instanceof LoginRefused) throw error;
    throw new Error(`${connection.address} cannot be trusted: ${messageOf(error)}`, { cause: error });
  }
}

class LoginRefused extends Error {}

async function step(
  connection: Connection,
  { mechanism, secret }: Credentials,
  text: string,
): Promise<{ text: string; lifetimeMs: number }> {
  const body = new WireWriter();
  body.bytes(Buffer.from(text));
  const { reader } = await connection.send(AUTHENTICATE, body);
  const error = reader.int16();
  const message = reader.string();
  if (error !== ErrorCode.None) {
    const said = printable(message ?? errorName(error));
    throw new LoginRefused(
      `${connection.address} refuses the user and password of Secret "${secret}" (${names[mechanism]}): ${said}. ` +
        `Correct the Secret or the user's credentials in Kafka; the Secret is read again at each try`,
    );
  }
  const answer = reader.bytes().toString("utf8");
  return { text: answer, lifetimeMs: reader.int64() };
}

/** What a stranger wrote, for a message of ours. */
const printable = (text: string): string => text.replace(/[^\x20-\x7e]/g, "?").slice(0, 200);
