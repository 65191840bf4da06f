import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { SinkWriter } from "../../src/engine/connectors/connector.ts";
import { builtInConnectors } from "../../src/engine/connectors/registry.ts";
import type { SqlSinkConfig } from "../../src/engine/connectors/sql/session.ts";
import { connectorContext, outRecord, type TestContext } from "../builders/connector-context.ts";
import { sinkContract } from "../builders/sink-contract.ts";
import { freePorts } from "../servers/free-ports.ts";
import { startDatabase, type DatabaseKind, type DatabaseServer } from "../servers/databases.ts";

/** What is spelled differently. */
const types: Record<DatabaseKind, { json: string; time: string; name: string }> = {
  postgres: { json: "jsonb", time: "timestamptz", name: "PostgreSQL" },
  mysql: { json: "json", time: "datetime(3)", name: "MySQL" },
};

describe.each(["postgres", "mysql"] as const)("the sink of %s", (kind) => {
  const { json, time, name } = types[kind];
  let server: DatabaseServer;
  let table = "";
  let tables = 0;
  beforeAll(async () => {
    server = await startDatabase(kind);
  });
  afterAll(() => server?.close());

  async function createTable(columns: string): Promise<void> {
    table = `t${tables++}`;
    await server.query(`CREATE TABLE ${table} (${columns})`);
  }
  async function open(
    over: Partial<SqlSinkConfig> = {},
    sink: Partial<TestContext["sink"]> = {},
    context = connectorContext(),
  ): Promise<SinkWriter> {
    const factory = await builtInConnectors.sink(kind);
    const { referenced } = server;
    return factory.open({ ...server.connection, table, ...over }, { ...context.sink, referenced, ...sink });
  }
  const put = (writer: SinkWriter, ...records: readonly object[]): void => {
    for (const record of records) writer.append(outRecord(null, JSON.stringify(record), 0));
  };
  const rows = (columns = "*", order = "id") => server.query(`SELECT ${columns} FROM ${table} ORDER BY ${order}`);

  sinkContract(
    `a table of ${name}`,
    async () => {
      await createTable("id int, pad text");
      const config = { ...server.connection, table };
      const { referenced } = server;
      return {
        open: async (context) => (await builtInConnectors.sink(kind)).open(config, { ...context, referenced }),
        ids: async () => (await server.query(`SELECT id FROM ${config.table}`)).map((row) => Number(row["id"])),
      };
    },
    {
      commits: "Decides",
      unreachable: {
        open: async (context) => {
          const [port] = await freePorts(1);
          const { referenced } = server;
          const config = { ...server.connection, port, table: "t" };
          return (await builtInConnectors.sink(kind)).open(config, { ...context, referenced });
        },
        names: new RegExp(`${name}.*ECONNREFUSED`),
      },
    },
  );

  it("writes objects, numbers of any length, times, null and whatever a text may hold", async () => {
    await createTable(
      `id bigint, amount decimal(30,10), at ${time}, doc ${json}, note text, yes boolean, missing int DEFAULT 7`,
    );
    const writer = await open();
    const note = `'; DROP TABLE t; -- "\\ \u{1F600} ? $1`;
    const text = `{"id":9223372036854775807,"amount":12345678901234567890.0123456789,"at":"2026-11-21T10:00:00.250+02:00","doc":{"a":[1,{"b":null}]},"note":${JSON.stringify(note)},"yes":true}`;
    writer.append(outRecord(null, text, 0));
    put(writer, { id: 1, amount: null, doc: null, note: null, at: null, yes: false });
    await writer.flush();
    const [small, large] = await rows(
      "cast(id as char(30)) AS id, cast(amount as char(40)) AS amount, at, doc, note, yes, missing",
    );
    expect(small).toMatchObject({ amount: null, doc: null, note: null, at: null, missing: 7 });
    expect(String(large?.["id"]).trim()).toBe("9223372036854775807");
    expect(String(large?.["amount"]).trim()).toBe("12345678901234567890.0123456789");
    expect(large).toMatchObject({ note, missing: 7 });
    const { doc } = large ?? {};
    expect(typeof doc === "string" ? JSON.parse(doc) : doc).toEqual({ a: [1, { b: null }] });
    await writer.close();
  });

  it.runIf(kind === "mysql")("writes truth and numbers into columns of bits", async () => {
    await createTable("id int, yes bit(1), bits bit(12), large bit(64)");
    const writer = await open();
    put(
      writer,
      { id: 1, yes: true, bits: 4095, large: Number.MAX_SAFE_INTEGER },
      { id: 2, yes: false, bits: 0, large: null },
    );
    put(writer, { id: 3, yes: 1, bits: 5, large: 0 });
    await writer.flush();
    expect(await rows("id, yes + 0 AS yes, bits + 0 AS bits, cast(large + 0 AS char(30)) AS large")).toEqual([
      { id: 1, yes: 1, bits: 4095, large: "9007199254740991" },
      { id: 2, yes: 0, bits: 0, large: null },
      { id: 3, yes: 1, bits: 5, large: "0" },
    ]);
    put(writer, { id: 4, bits: 4096 });
    await expect(writer.flush()).rejects.toThrow(/column "bits": .*too long/i);
    await writer.close();
  });

  it("keeps the last row of each key, with many in a batch and keys again in later ones", async () => {
    await createTable("id int PRIMARY KEY, n int, other int DEFAULT 5");
    const writer = await open({ keyColumns: ["id"], batching: { count: 700 } });
    for (let n = 0; n < 5_000; n++) put(writer, { id: n % 300, n });
    await writer.flush();
    put(writer, { id: 0, other: 9 }, { id: 0, n: -1 }, { id: 300 });
    await writer.flush();
    const found = await rows();
    expect(found).toHaveLength(301);
    expect(found[0]).toEqual({ id: 0, n: -1, other: 9 });
    expect(found[299]).toEqual({ id: 299, n: 4_799, other: 5 });
    expect(found[300]).toEqual({ id: 300, n: null, other: 5 });
    await writer.close();
  });

  it.each(["AtLeastOnce", "ExactlyOnce"] as const)(
    "knows keys of one batch that the database takes for equal: %s",
    async (delivery) => {
      await createTable(`id ${time} PRIMARY KEY, n int`);
      const writer = await open({ keyColumns: ["id"] }, { delivery, lineage: table });
      await writer.committed?.({ epoch: 1, slot: 0 }, 0);
      const at = [
        "2026-11-22T10:00:00Z",
        "2026-11-22T12:00:00+02:00",
        "2026-11-22T11:00:00Z",
        "2026-11-22T10:00:00.000Z",
      ];
      put(writer, ...at.map((id, n) => ({ id, n })));
      await writer.flush();
      await writer.prepare?.(1);
      await writer.commit?.(1, undefined);
      expect(await rows("n")).toEqual([{ n: 3 }, { n: 2 }]);
      await writer.close();
    },
  );

  it.each([
    { record: { id: 1, colour: "red" }, says: /column "colour": the table has no column "colour", only id, n, must/ },
    { record: { id: 1, n: 2 }, says: /column "must": it has no field "must", and the column has no default/ },
    { record: { id: 1, must: 1, n: "many" }, says: /column "n": .*many/ },
    { record: { id: 1, must: null }, says: /column "must": .*null/i },
    { record: { id: 1, must: 99_999_999_999 }, says: /record 2 since.*out of range.*The record: \{"id":1/i },
    { record: [1], says: /it is not a JSON object/ },
  ])("refuses $record and says which column, record and table, and what to do", async ({ record, says }) => {
    await createTable("id int, n int, must int NOT NULL");
    for (const delivery of ["AtLeastOnce", "ExactlyOnce"] as const) {
      const writer = await open({}, { delivery, lineage: table });
      await writer.committed?.({ epoch: 1, slot: 0 }, 0);
      put(writer, { id: 0, must: 0 }, record, { id: 2, must: 2 });
      const failure = await writer.flush().catch((e: unknown) => e);
      expect(failure).toMatchObject({ code: "SINK_REFUSED" });
      expect(String(failure)).toMatch(says);
      expect(String(failure)).toContain(`${name} table "${table}" does not take record 2 `);
      expect(String(failure)).toContain("or set onError: Skip on the sink");
      await writer.close();
    }
  });

  it.each(["AtLeastOnce", "ExactlyOnce"] as const)(
    "leaves out what is refused with onError Skip: %s",
    async (delivery) => {
      await createTable("id int PRIMARY KEY, n int");
      const said: string[] = [];
      const warn = (message: string): void => void said.push(message);
      const writer = await open({}, { onError: "Skip", warn, delivery, lineage: table });
      await writer.committed?.({ epoch: 1, slot: 0 }, 0);
      for (let id = 0; id < 500; id++) put(writer, { id, n: id % 100 === 50 ? "x" : 1 });
      put(writer, { id: 3, n: 2 }, { id: 500, colour: 1 }, { id: 501, n: 1 });
      await writer.flush();
      await writer.prepare?.(1);
      await writer.commit?.(1, undefined);
      expect(await rows()).toHaveLength(496);
      expect(writer.counters()).toMatchObject({ records: 503, refused: 7 });
      expect(said).toHaveLength(7);
      expect(said.join("\n")).toMatch(/^skipped: .* does not take record 51 since the worker's start: column "n": /m);
      await writer.close();
    },
  );

  it("waits for a table, a unique index and a server, says so, and goes on when they are there", async () => {
    table = `late${tables++}`;
    const context = connectorContext();
    const opening = open({ keyColumns: ["id"] }, {}, context);
    const says = (text: RegExp) => context.reported((p) => p?.code === "SINK_UNREACHABLE" && text.test(p.message));
    await says(/database "shop" has no table "late\d+"; create it/);
    await server.query(`CREATE TABLE ${table} (id int)`);
    await says(/has no unique index over exactly id/);
    await server.query(`CREATE UNIQUE INDEX i${tables} ON ${table} (id)`);
    const writer = await opening;
    await server.stop();
    put(writer, { id: 1 });
    const flushed = writer.flush();
    await says(/ECONNREFUSED/);
    await server.restart();
    await flushed;
    put(writer, { id: 2 });
    await writer.flush();
    expect(await rows()).toEqual([{ id: 1 }, { id: 2 }]);
    expect(context.problems.at(-1)).toBeUndefined();
    await writer.close();
  });

  it("loses nothing at least once when the server is killed in the middle, and asks the sources to wait", async () => {
    await createTable("id int PRIMARY KEY, n int, pad text");
    const writer = await open({ keyColumns: ["id"], batching: { count: 100 } });
    let waited = 0;
    let wake = (): void => {};
    writer.onDrain(() => wake());
    const pad = "x".repeat(2_000);
    for (let id = 0; id < 10_000; id++) {
      if (id === 3_000) await server.stop("SIGKILL");
      put(writer, { id, n: id, pad });
      if (!writer.saturated()) continue;
      if (waited++ === 0) await server.restart();
      while (writer.saturated()) await new Promise<void>((resolve) => (wake = resolve));
    }
    await writer.flush();
    expect(waited).toBeGreaterThan(0);
    expect(Number((await rows("count(*) AS n", "1"))[0]?.["n"])).toBe(10_000);
    await writer.close();
  });

  it("signs in with what the Secret says now, and no message holds it", async () => {
    await createTable("id int");
    const context = connectorContext();
    let password = "canary-of-a-wrong-password";
    const opening = open(
      {},
      { referenced: (k, n, key) => (key === "password" ? password : server.referenced(k, n, key)) },
      context,
    );
    await context.reported((p) =>
      /(denied|authentication failed).*; the user and password are those of Secret "database": correct it/i.test(
        p?.message ?? "",
      ),
    );
    password = server.referenced("Secret", "database", "password") ?? "";
    await (await opening).close();
    expect(JSON.stringify(context.problems)).not.toContain("canary");
  });

  it("commits nothing of a worker that was replaced, and waits for none of its locks", async () => {
    await createTable("id int PRIMARY KEY, n int");
    const as = async (who: { epoch: number; attempt: number }): Promise<SinkWriter> => {
      const writer = await open({ keyColumns: ["id"] }, { delivery: "ExactlyOnce", lineage: table, ...who });
      expect(await writer.committed?.({ epoch: who.epoch, slot: 0 }, 0)).toBe(0);
      return writer;
    };
    const old = await as({ epoch: 1, attempt: 1 });
    put(old, { id: 1, n: 1 });
    await old.flush();
    await old.prepare?.(1);
    const next = await as({ epoch: 1, attempt: 2 });
    put(next, { id: 1, n: 2 });
    await next.flush();
    await expect(old.commit?.(1, undefined)).rejects.toMatchObject({ code: "TRANSACTION_LOST" });
    await next.prepare?.(1);
    await next.commit?.(1, undefined);
    const idle = await as({ epoch: 2, attempt: 0 });
    await expect(as({ epoch: 1, attempt: 3 })).rejects.toMatchObject({ code: "WORKER_REFUSED" });
    expect(await rows()).toEqual([{ id: 1, n: 2 }]);
    await Promise.all([old, next, idle].map((writer) => writer.close()));
  });

  it("removes the markers of earlier epochs when nobody needs them any more, and lets nobody of them in again", async () => {
    await createTable("id int");
    const epochs = async (): Promise<number[]> => {
      const found = await server.query(
        `SELECT epoch FROM weir_markers WHERE lineage = '${table}' AND epoch >= 0 ORDER BY epoch`,
      );
      return found.map((row) => Number(row["epoch"]));
    };
    const checkpoint = async (writer: SinkWriter, n: number): Promise<void> => {
      put(writer, { id: n });
      const flushed = writer.flush();
      await writer.prepare?.(n);
      await flushed;
      await writer.commit?.(n, undefined);
    };
    const of = (epoch: number) => ({ delivery: "ExactlyOnce" as const, lineage: table, epoch });
    const old = await open({}, of(1));
    await old.committed?.({ epoch: 1, slot: 0 }, 0);
    await checkpoint(old, 1);
    const said: string[] = [];
    const writer = await open({}, { ...of(2), warn: (message) => void said.push(message) });
    expect(await writer.committed?.({ epoch: 1, slot: 0 }, undefined)).toBe(1);
    await writer.committed?.({ epoch: 2, slot: 0 }, 0);
    await checkpoint(writer, 1);
    writer.forgetEarlierEpochs?.();
    expect(await epochs()).toEqual([1, 2]);
    await checkpoint(writer, 2);
    expect(await epochs()).toEqual([2]);

    expect(said).toEqual([]);
    const late = await open({}, { ...of(1), attempt: 5 });
    await expect(late.committed?.({ epoch: 1, slot: 0 }, 0)).rejects.toMatchObject({ code: "WORKER_REFUSED" });
    await Promise.all([old, writer, late].map((w) => w.close()));
  });
});
