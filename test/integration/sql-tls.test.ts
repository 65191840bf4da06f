import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { ConnectorContext, SinkWriter } from "../../src/engine/connectors/connector.ts";
import { builtInConnectors } from "../../src/engine/connectors/registry.ts";
import type { SqlSinkConfig } from "../../src/engine/connectors/sql/session.ts";
import { connectorContext, outRecord, type TestContext } from "../builders/connector-context.ts";
import { DATABASE_PASSWORD, startDatabase, type DatabaseServer } from "../servers/databases.ts";
import { makeBrokerPki, type BrokerPki } from "../servers/kafka-security.ts";

/** How a server counts the encrypted connections: PostgreSQL those of the worker's user that are there, MySQL all that were. */
const encrypted = {
  postgres: "SELECT count(*) AS n FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE ssl AND usename = 'weir'",
  mysql: "SELECT variable_value AS n FROM information_schema.global_status WHERE variable_name = 'SSL_ACCEPTS'",
} as const;

const sessions = {
  postgres: "SELECT pid FROM pg_stat_activity WHERE usename = 'weir'",
  mysql: "SELECT id FROM information_schema.processlist WHERE user = 'weir'",
} as const;

let folder = "";
let pki: BrokerPki;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "weir-sql-tls-"));
  pki = await makeBrokerPki(folder);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe.each(["postgres", "mysql"] as const)("the sink of %s over TLS", (kind) => {
  let server: DatabaseServer;
  beforeAll(async () => {
    server = await startDatabase(kind, pki.server);
    await server.query("CREATE TABLE t (id int)");
  });
  afterAll(() => server?.close());

  const encryptedConnections = async (): Promise<number> => Number((await server.query(encrypted[kind]))[0]?.["n"]);

  /** With the CA that ConfigMap `ca` has. Opening waits for as long as the server is not to be had. */
  async function open(ca: string, context: TestContext, over: Partial<SqlSinkConfig> = {}): Promise<SinkWriter> {
    const factory = await builtInConnectors.sink(kind);
    const tls = { caRef: { name: "ca", key: "ca.crt" } };
    const referenced: ConnectorContext["referenced"] = (of, name, key) =>
      of === "ConfigMap" && name === "ca" ? ca : server.referenced(of, name, key);
    return factory.open(
      { ...server.connection, host: "localhost", table: "t", tls, ...over },
      { ...context.sink, referenced },
    );
  }

  it("writes to a server whose certificate the CA signed, and the server says that it is encrypted", async () => {
    const before = await encryptedConnections();
    const writer = await open(pki.ca, connectorContext());
    writer.append(outRecord(null, '{"id":1}', 0));
    await writer.flush();
    expect(await server.query("SELECT id FROM t")).toEqual([{ id: 1 }]);
    expect(await encryptedConnections()).toBeGreaterThan(before);
    await writer.close();
    await expect.poll(() => server.query(sessions[kind])).toEqual([]);
  });

  it("takes any certificate where insecureSkipVerify says so, and is encrypted all the same", async () => {
    const tls = { caRef: { name: "ca", key: "ca.crt" }, insecureSkipVerify: true };
    const before = await encryptedConnections();
    const writer = await open(pki.otherCa, connectorContext(), { host: "127.0.0.1", tls });
    writer.append(outRecord(null, '{"id":2}', 0));
    await writer.flush();
    expect(await server.query("SELECT id FROM t WHERE id = 2")).toEqual([{ id: 2 }]);
    expect(await encryptedConnections()).toBeGreaterThan(before);
    await writer.close();
    await expect.poll(() => server.query(sessions[kind])).toEqual([]);
  });

  it.each([
    { what: "another CA", config: {}, ca: () => pki.otherCa, says: /certificate|self.signed/i },
    {
      what: "another name",
      config: { host: "127.0.0.1" },
      ca: () => pki.ca,
      says: /altname|IP: 127\.0\.0\.1|127\.0\.0\.1/i,
    },
  ])("does not hand its password to a server with $what, and says why", async ({ config, ca, says }) => {
    const context = connectorContext();
    const opened = open(ca(), context, config).catch((e: unknown) => String(e));
    // PostgreSQL's driver checks addresses, too; for MySQL's a name is asked for.
    const refused = await Promise.race([opened, context.reported((problem) => problem !== undefined)]);
    const said = typeof refused === "string" ? refused : JSON.stringify(context.problems);
    expect(said).toMatch(says);
    expect(said).not.toContain(JSON.stringify(DATABASE_PASSWORD).slice(1, -1));
    context.abort();
    await opened;
    // A server ends the session of a connection a moment after the connection.
    await expect.poll(() => server.query(sessions[kind])).toEqual([]);
  });
});
