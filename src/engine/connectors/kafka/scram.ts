import { createHash, createHmac, pbkdf2, randomBytes, timingSafeEqual } from "node:crypto";
import { promisify } from "node:util";

/**
 * The client's side of SCRAM (RFC 5802, RFC 7677) without channel binding. As in Kafka's own clients the password's bytes
 * are its UTF-8, without SASLprep.
 */
export type ScramHash = "sha256" | "sha512";

export interface ScramClient {
  readonly first: string;
  /** The answer to the server's first message. Refuses a server that is not sound. */
  final(serverFirst: string): Promise<string>;
  /** Proves that the server knows the password, too. */
  verify(serverFinal: string): void;
}

/** Fewer are too easy to guess from (RFC 7677 §4); more would only keep this client busy. */
const FEWEST_ITERATIONS = 4096;
const MOST_ITERATIONS = 100_000;
const LONGEST_MESSAGE = 4096;

const derive = promisify(pbkdf2);

export function scramClient(
  hash: ScramHash,
  username: string,
  password: string,
  nonce = randomBytes(24).toString("base64"),
): ScramClient {
  const bare = `n=${username.replaceAll("=", "=3D").replaceAll(",", "=2C")},r=${nonce}`;
  const hmac = (key: Buffer, text: string): Buffer => createHmac(hash, key).update(text).digest();
  let expected: Buffer | undefined;
  return {
    first: `n,,${bare}`,
    final: async (serverFirst) => {
      const server = readServerFirst(serverFirst, nonce);
      const salted = await derive(password, server.salt, server.iterations, hash === "sha256" ? 32 : 64, hash);
      const withoutProof = `c=biws,r=${server.nonce}`;
      const message = `${bare},${serverFirst},${withoutProof}`;
      const clientKey = hmac(salted, "Client Key");
      const signature = hmac(createHash(hash).update(clientKey).digest(), message);
      const proof = Buffer.from(clientKey.map((byte, i) => byte ^ (signature[i] as number)));
      expected = hmac(hmac(salted, "Server Key"), message);
      return `${withoutProof},p=${proof.toString("base64")}`;
    },
    verify: (serverFinal) => {
      const { v: signature, e: error } = attributes(serverFinal);
      if (error !== undefined) throw new Error(`it answered ${error}`);
      const given = Buffer.from(signature ?? "", "base64");
      if (expected === undefined || given.length !== expected.length || !timingSafeEqual(given, expected)) {
        throw new Error("it does not know the password itself: its signature is wrong, so it may not be your broker");
      }
    },
  };
}

function readServerFirst(text: string, clientNonce: string): { nonce: string; salt: Buffer; iterations: number } {
  const { r: nonce = "", s: salt = "", i: count = "", m: extension, e: error } = attributes(text);
  if (error !== undefined) throw new Error(`it answered ${error}`);
  if (extension !== undefined) throw new Error("it asks for a SCRAM extension that is unknown here");
  if (!nonce.startsWith(clientNonce) || nonce.length === clientNonce.length) {
    throw new Error("its nonce does not continue ours: the answer is not to this login");
  }
  const iterations = Number(count);
  if (!Number.isInteger(iterations) || iterations < FEWEST_ITERATIONS || iterations > MOST_ITERATIONS) {
    throw new Error(
      `it asks for "${count.slice(0, 20)}" iterations, and ${FEWEST_ITERATIONS} to ${MOST_ITERATIONS} are accepted: create the user's credentials anew`,
    );
  }
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(salt)) throw new Error("its salt is not base64");
  return { nonce, salt: Buffer.from(salt, "base64"), iterations };
}

/** "a=1,b=2" by its one-letter names. */
function attributes(text: string): Readonly<Record<string, string | undefined>> {
  if (text.length > LONGEST_MESSAGE) throw new Error("its SCRAM message is too long");
  const found: Record<string, string | undefined> = Object.create(null) as Record<string, undefined>;
  for (const part of text.split(",")) if (part[1] === "=") found[part.charAt(0)] ??= part.slice(2);
  return found;
}
