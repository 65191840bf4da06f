import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type Server } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { TlsConfig } from "../../src/engine/connectors/credentials.ts";
import { httpLookup } from "../../src/engine/connectors/http/lookup.ts";
import { redisLookup } from "../../src/engine/connectors/redis/lookup.ts";
import type { LookupBackend } from "../../src/engine/lookups/lookup-backend.ts";
import { connectorContext } from "../builders/connector-context.ts";
import { makeBrokerPki, makeSelfSigned, type BrokerPki } from "../servers/kafka-security.ts";
import { startRedis, type RedisServer } from "../servers/redis.ts";

let folder = "";
let pki: BrokerPki;
let server: Server;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "weir-lookup-tls-"));
  pki = await makeBrokerPki(folder);
  const { certificate: cert, key } = pki.server;
  // A connection for each request: what is mounted is looked at when one is made.
  server = createServer({ cert, key, ca: pki.ca, requestCert: true, rejectUnauthorized: true }, (_, response) =>
    response.setHeader("connection", "close").end("{}"),
  );
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
  rmSync(folder, { recursive: true, force: true });
});

/** What the kubelet has mounted, by "kind/name/key". */
let mounted: Record<string, string | undefined>;
let backend: LookupBackend;
beforeEach(() => {
  mounted = {
    "ConfigMap/ca/ca.crt": pki.ca,
    "Secret/client/tls.crt": pki.clientCert,
    "Secret/client/tls.key": pki.clientKey,
  };
  const url = `https://localhost:${(server.address() as AddressInfo).port}`;
  const tls = { caRef: { name: "ca", key: "ca.crt" }, clientSecretRef: { name: "client" } };
  const referenced = (kind: string, name: string, key: string): string | undefined => mounted[`${kind}/${name}/${key}`];
  backend = httpLookup.open({ url, path: "/{key}", tls }, { ...connectorContext().source, referenced });
});
afterEach(() => backend.close());

const found = async (): Promise<unknown> => {
  const [answer] = await backend.find(["k"], AbortSignal.timeout(30_000));
  return answer;
};

it("asks over TLS with the certificate of a client", async () => {
  expect(await found()).toHaveProperty("rows");
});

it("takes a rotated CA with the next connection", async () => {
  mounted["ConfigMap/ca/ca.crt"] = pki.otherCa;
  await expect(found()).rejects.toThrow(/certificate/);
  mounted["ConfigMap/ca/ca.crt"] = pki.ca;
  expect(await found()).toHaveProperty("rows");
});

it("waits for a certificate that is not mounted yet, and says which", async () => {
  mounted["Secret/client/tls.key"] = undefined;
  await expect(found()).rejects.toThrow('Secret "client" has no key "tls.key"');
  mounted["Secret/client/tls.key"] = pki.clientKey;
  expect(await found()).toHaveProperty("rows");
});

describe.each(["http", "redis"] as const)("a lookup of %s at a server whose certificate nobody has signed", (kind) => {
  let selfSigned: BrokerPki["server"];
  let web: Server;
  let redis: RedisServer;
  beforeAll(async () => {
    selfSigned = await makeSelfSigned(folder, "self");
    web = createServer({ cert: selfSigned.certificate, key: selfSigned.key }, (_, response) => response.end('{"n":1}'));
    await new Promise<void>((resolve) => web.listen(0, "127.0.0.1", resolve));
    redis = await startRedis(selfSigned);
    await redis.set({ "goods:k": '{"n":1}' });
  });
  afterAll(async () => {
    web.closeAllConnections();
    web.close();
    await redis.close();
  });

  async function asked(tls: TlsConfig, host: string): Promise<unknown> {
    const context = { ...connectorContext().source, referenced: redis.referenced };
    const own =
      kind === "redis"
        ? redisLookup.open({ ...redis.connection, host, port: redis.tlsPort, path: "goods:{key}", tls }, context)
        : httpLookup.open(
            { url: `https://${host}:${(web.address() as AddressInfo).port}`, path: "/{key}", tls },
            context,
          );
    try {
      return (await own.find(["k"], AbortSignal.timeout(30_000)))[0];
    } finally {
      await own.close();
    }
  }

  it.each(["localhost", "127.0.0.1"])("refuses it at %s, and says which setting would take it", async (host) => {
    await expect(asked({}, host)).rejects.toThrow(
      /not signed by a CA that is trusted here; put the CA's certificate into tls\.caSecretRef or tls\.caRef, or for a trial set tls\.insecureSkipVerify/,
    );
    await expect(asked({ insecureSkipVerify: false }, host)).rejects.toThrow(/self-signed certificate/);
  });

  it.each(["localhost", "127.0.0.1"])("takes it at %s where insecureSkipVerify says so", async (host) => {
    expect(await asked({ insecureSkipVerify: true }, host)).toEqual({ rows: [Buffer.from('{"n":1}')] });
  });
});
