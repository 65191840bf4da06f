import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type Server } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from "vitest";
import { httpLookup } from "../../src/engine/connectors/http/lookup.ts";
import type { LookupBackend } from "../../src/engine/lookups/lookup-backend.ts";
import { connectorContext } from "../builders/connector-context.ts";
import { makeBrokerPki, type BrokerPki } from "../servers/kafka-security.ts";

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
