/** A lock in the database that is held for longer than a statement may take: what waits for it ends, and does not add up. */
import { setTimeout as sleep } from "node:timers/promises";
import { createConnection } from "mysql2/promise";
import pg from "pg";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { builtInConnectors } from "../../src/engine/connectors/registry.ts";
import { connectorContext } from "../builders/connector-context.ts";
import { put } from "../builders/exactly-once-sink.ts";
import { DATABASE_PASSWORD, startDatabase, type DatabaseKind, type DatabaseServer } from "../servers/databases.ts";

const WAITING: Record<DatabaseKind, string> = {
  postgres: "SELECT count(*) AS n FROM pg_stat_activity WHERE wait_event_type = 'Lock'",
  mysql:
    "SELECT count(*) AS n FROM information_schema.processlist WHERE info LIKE 'INSERT INTO %' AND command <> 'Sleep'",
};
const ENDED: Record<DatabaseKind, RegExp> = {
  postgres: /canceling statement due to statement timeout/,
  mysql: /Lock wait timeout exceeded|max_statement_time exceeded/,
};

/** Locks a table against writing; returns what releases it. */
async function lock({ kind, connection }: DatabaseServer, table: string): Promise<() => Promise<void>> {
  const { host, port, database } = connection;
  const login = { host, port, database, user: "weir", password: DATABASE_PASSWORD };
  if (kind === "postgres") {
    const client = new pg.Client(login);
    await client.connect();
    await client.query("BEGIN");
    await client.query(`LOCK TABLE ${table} IN SHARE MODE`);
    return () => client.end();
  }
  const client = await createConnection(login);
  await client.query(`LOCK TABLES ${table} READ`);
  return () => client.end();
}

describe.each(["postgres", "mysql"] as const)("the sink of %s", (kind) => {
  let server: DatabaseServer;
  beforeAll(async () => {
    server = await startDatabase(kind);
  });
  afterAll(() => server?.close());

  it("has one statement that waits for a lock, however long it is held, and writes its row once", async () => {
    await server.query("CREATE TABLE t (id int)");
    const context = connectorContext();
    const sink = { ...context.sink, referenced: server.referenced, commitWithinMs: 1_000, lineage: "t" };
    const factory = await builtInConnectors.sink(kind);
    const writer = await factory.open({ ...server.connection, table: "t" }, sink);
    put(writer, `{"id":0}`);
    await writer.flush();
    const release = await lock(server, "t");
    put(writer, `{"id":1}`);
    const flushed = writer.flush();
    await context.reported((problem) => ENDED[kind].test(problem?.message ?? ""));
    await sleep(12_000);
    expect(Number((await server.query(WAITING[kind]))[0]?.["n"])).toBe(1);
    await release();
    await flushed;
    await sleep(1_000);
    expect(Number((await server.query("SELECT count(*) AS n FROM t WHERE id = 1"))[0]?.["n"])).toBe(1);
    await writer.close();
  });
});
