import { createHash, createHmac, pbkdf2Sync } from "node:crypto";
import { describe, expect, it } from "vitest";
import { scramClient, type ScramHash } from "./scram.ts";

/** The server's side, as RFC 5802 §3 computes it. */
function server(hash: ScramHash, password: string, { iterations = 4096, nonce = "server" } = {}) {
  const hmac = (key: Buffer, text: string): Buffer => createHmac(hash, key).update(text).digest();
  const salt = Buffer.from("0123456789");
  const salted = pbkdf2Sync(password, salt, iterations, hash === "sha256" ? 32 : 64, hash);
  return {
    first: (clientNonce: string) => `r=${clientNonce}${nonce},s=${salt.toString("base64")},i=${iterations}`,
    final: (bare: string, first: string, last: string) => {
      const [withoutProof = "", proof = ""] = last.split(",p=");
      const message = `${bare},${first},${withoutProof}`;
      const clientKey = hmac(salted, "Client Key");
      const stored = createHash(hash).update(clientKey).digest();
      const signature = hmac(stored, message);
      const given = Buffer.from(proof, "base64").map((byte, i) => byte ^ (signature[i] as number));
      if (!createHash(hash).update(given).digest().equals(stored)) return "e=invalid-proof";
      return `v=${hmac(hmac(salted, "Server Key"), message).toString("base64")}`;
    },
  };
}

describe("a SCRAM login", () => {
  it("sends what RFC 7677 §3 shows", async () => {
    const client = scramClient("sha256", "user", "pencil", "rOprNGfwEbeRWgbNEkqO");
    expect(client.first).toBe("n,,n=user,r=rOprNGfwEbeRWgbNEkqO");
    const first = "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
    expect(await client.final(first)).toBe(
      "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
    );
    expect(() => client.verify("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=")).not.toThrow();
  });

  it.each(["sha256", "sha512"] as const)(
    "with %s is accepted by a server that knows the password, and by no other",
    async (hash) => {
      const client = scramClient(hash, "a=b,c", "pässword", "nonce");
      const bare = client.first.slice("n,,".length);
      expect(bare).toBe("n=a=3Db=2Cc,r=nonce");
      const right = server(hash, "pässword");
      const last = await client.final(right.first("nonce"));
      client.verify(right.final(bare, right.first("nonce"), last));
      expect(server(hash, "other").final(bare, right.first("nonce"), last)).toBe("e=invalid-proof");
      expect(() => client.verify("e=invalid-proof")).toThrow("it answered invalid-proof");
      for (const forged of ["v=", `v=${Buffer.alloc(hash === "sha256" ? 32 : 64).toString("base64")}`, "", "x=1"])
        expect(() => client.verify(forged)).toThrow("its signature is wrong");
    },
  );

  it("refuses a server that is not sound before it shows a proof of the password", async () => {
    const salt = "s=MDEyMzQ1Njc4OQ==";
    const refused: readonly (readonly [first: string, why: string])[] = [
      [`r=other,${salt},i=4096`, "does not continue ours"],
      [`r=nonce,${salt},i=4096`, "does not continue ours"],
      [`${salt},i=4096`, "does not continue ours"],
      [`r=nonce1,${salt},i=4095`, '"4095" iterations'],
      [`r=nonce1,${salt},i=2000000000`, '"2000000000" iterations'],
      [`r=nonce1,${salt},i=abc`, '"abc" iterations'],
      [`r=nonce1,${salt}`, '"" iterations'],
      [`r=nonce1,s=%%,i=4096`, "not base64"],
      [`m=x,r=nonce1,${salt},i=4096`, "extension"],
      ["e=other-error", "other-error"],
      [`r=nonce1,${salt},i=4096,${"x".repeat(5000)}`, "too long"],
    ];
    for (const [first, why] of refused)
      await expect(scramClient("sha256", "u", "p", "nonce").final(first)).rejects.toThrow(why);
  });

  it("takes another nonce each time", () => {
    const nonces = new Set(Array.from({ length: 100 }, () => scramClient("sha256", "u", "p").first));
    expect(nonces.size).toBe(100);
  });
});
