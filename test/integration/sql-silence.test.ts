/** A database that says nothing more, as after its host has gone without a word: no wait for it is without an end. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { SinkContext, SinkWriter } from "../../src/engine/connectors/connector.ts";
import { builtInConnectors } from "../../src/engine/connectors/registry.ts";
import { connectorContext, type TestContext } from "../builders/connector-context.ts";
import { prepare, put } from "../builders/exactly-once-sink.ts";
import { startDatabase, type DatabaseServer } from "../servers/databases.ts";
import { startSilentProxy, type SilentProxy } from "../servers/silent-proxy.ts";

const SILENT = /has not answered in 10000 ms/;

describe.each(["postgres", "mysql"] as const)("the sink of %s", (kind) => {
  let server: DatabaseServer;
  let proxy: SilentProxy;
  let context: TestContext;
  let table = "";
  let tables = 0;
  beforeAll(async () => {
    server = await startDatabase(kind);
  });
  afterAll(() => server?.close());
  beforeEach(async () => {
    const { host, port } = server.connection;
    proxy = await startSilentProxy({ host, port });
    context = connectorContext();
    table = `t${tables++}`;
    await server.query(`CREATE TABLE ${table} (id int)`);
  });
  afterEach(() => proxy.close());

  async function open(over: Partial<SinkContext>): Promise<SinkWriter> {
    const { referenced, connection } = server;
    const config = { ...connection, port: proxy.port, table };
    const sink = { ...context.sink, referenced, commitWithinMs: 1_000, lineage: table, ...over };
    return (await builtInConnectors.sink(kind)).open(config, sink);
  }
  const ids = async (): Promise<number[]> =>
    (await server.query(`SELECT id FROM ${table} ORDER BY id`)).map((row) => Number(row["id"]));

  it("gives up a commit without an answer, and its successor finds out by the marker whether there was one", async () => {
    const writer = await open({ delivery: "ExactlyOnce" });
    await writer.committed?.({ epoch: 1, slot: 0 }, 0);
    put(writer, `{"id":1}`);
    await writer.commit?.(1, await prepare(writer, 1));
    put(writer, `{"id":2}`);
    const handle = await prepare(writer, 2);
    proxy.silence();
    await expect(writer.commit?.(2, handle)).rejects.toMatchObject({
      code: "TRANSACTION_LOST",
      message: expect.stringMatching(SILENT) as string,
    });
    await writer.close();

    const next = await open({ delivery: "ExactlyOnce", attempt: 2 });
    expect(await next.committed?.({ epoch: 1, slot: 0 }, undefined)).toBe(1);
    put(next, `{"id":2}`);
    await next.commit?.(2, await prepare(next, 2));
    await next.close();
    expect(await ids()).toEqual([1, 2]);
  });

  it("says so at least once, and writes on by another connection", async () => {
    const writer = await open({});
    put(writer, `{"id":1}`);
    await writer.flush();
    proxy.silence();
    put(writer, `{"id":2}`);
    const flushed = writer.flush();
    await context.reported((problem) => SILENT.test(problem?.message ?? ""));
    await flushed;
    await writer.close();
    expect([...new Set(await ids())]).toEqual([1, 2]);
  });
});
