import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { builtInConnectors } from "../../src/engine/connectors/registry.ts";
import { lookupClient, type LookupClient } from "../../src/engine/lookups/lookup-client.ts";
import type { LookupAnswer } from "../../src/engine/lookups/lookup-port.ts";
import type { PlanLookup } from "../../src/engine/plan.ts";
import { connectorContext, type TestContext } from "../builders/connector-context.ts";
import { startDatabase, type DatabaseServer } from "../servers/databases.ts";
import { startRedis, type RedisServer } from "../servers/redis.ts";

type Referenced = TestContext["sink"]["referenced"];

const clients: LookupClient[] = [];
afterEach(async () => {
  await Promise.all(clients.splice(0).map((client) => client.close()));
});

async function clientOf(
  connector: string,
  config: object,
  over: Partial<PlanLookup> & { readonly referenced?: Referenced; readonly context?: TestContext } = {},
): Promise<LookupClient> {
  const { referenced, context = connectorContext(), ...own } = over;
  const factory = await builtInConnectors.lookup(connector);
  const plan = { connector, config, secretRef: null, capacity: 100, timeoutMs: 10_000, retries: null, cache: null };
  const ctx = { ...context.source, ...(referenced === undefined ? {} : { referenced }) };
  const client = lookupClient({ ...plan, ...own }, factory.open(config, ctx), ctx);
  clients.push(client);
  return client;
}

/** Asks for all in one turn, and gives what each has: its rows, or what is wrong. */
async function ask(client: LookupClient, ...keys: readonly unknown[]): Promise<unknown[]> {
  const answers = keys.map((key) => client.ask(JSON.stringify(key)));
  await expect.poll(() => answers.every((a) => a.state !== "asked"), { timeout: 60_000 }).toBe(true);
  return answers.map(shown);
}
const shown = ({ state, rows, problem }: LookupAnswer): unknown =>
  state === "failed" ? problem : rows.map((row) => JSON.parse(row.toString()) as unknown);

describe.each(["postgres", "mysql"] as const)("a lookup in %s", (kind) => {
  let server: DatabaseServer;
  let config = {};
  beforeAll(async () => {
    server = await startDatabase(kind);
    config = { ...server.connection, table: "goods", keyColumns: ["sku"] };
    const at = kind === "postgres" ? "timestamptz" : "datetime";
    await server.query(
      `CREATE TABLE goods (sku varchar(40), size int, price decimal(30,10), made ${at}, PRIMARY KEY (sku, size))`,
    );
    await server.query(
      `INSERT INTO goods VALUES ('a', 1, 12345678901234567890.0123456789, NULL), ('a', 2, 2, NULL), ('O''Neil "?', 3, 3, '2026-01-02 03:04:05')`,
    );
    const rows = Array.from({ length: 2_000 }, (_, i) => `('n${i}', ${i}, ${i}, NULL)`);
    await server.query(`INSERT INTO goods VALUES ${rows.join(", ")}`);
  });
  afterAll(() => server?.close());
  const client = (over: object = {}, plan: Parameters<typeof clientOf>[2] = {}) =>
    clientOf(kind, { ...config, ...over }, { referenced: server.referenced, ...plan });

  it("gives every row of a key, with all digits, and none of an unknown one", async () => {
    const open = await client();
    const [two, none, odd] = await ask(open, "a", "zzz", "O'Neil \"?");
    expect((two as { size: number }[]).map(({ size }) => size).toSorted((a, b) => a - b)).toEqual([1, 2]);
    expect(none).toEqual([]);
    expect(odd).toMatchObject([{ size: 3, made: expect.stringMatching(/^2026-01-02[T ]03:04:05/) as string }]);
    const raw = open.ask('"a"');
    await expect.poll(() => raw.state).toBe("found");
    expect(Buffer.concat(raw.rows).toString()).toContain("12345678901234567890.0123456789");
  });

  it("compares keys of several parts, numbers with numbers, and takes a key of another type for one without a row", async () => {
    const open = await client({ keyColumns: ["sku", "size"] });
    expect(await ask(open, ["a", 2], ["a", 7], ["a"])).toMatchObject([
      [{ sku: "a", size: 2 }],
      [],
      'the key has 1 parts and keyColumns 2: ["a"]',
    ]);
    const bySize = await client({ keyColumns: ["size"] });
    const [zero, text] = await ask(bySize, 0, "many");
    expect(zero).toMatchObject([{ sku: "n0" }]);
    expect(text).toEqual(kind === "postgres" ? expect.stringMatching(/the key is none for the table.*many/) : []);
  });

  it.runIf(kind === "mysql")(
    "fails the record of a key that its column cannot be compared with, and no other",
    async () => {
      await server.query("CREATE TABLE old (sku varchar(40) CHARACTER SET latin1, n int)");
      await server.query("INSERT INTO old VALUES ('a', 1)");
      const [problem, found] = await ask(await client({ table: "old" }), "\u{1f600}", "a");
      expect(problem).toMatch(/the key is none for the table: .*collations/);
      expect(found).toEqual([{ sku: "a", n: 1 }]);
    },
  );

  it("asks for many keys at a time", async () => {
    const open = await client({}, { capacity: 5_000 });
    const found = await ask(open, ...Array.from({ length: 2_100 }, (_, i) => `n${i}`));
    expect(found.slice(0, 2_000).every((rows, i) => (rows as { size: number }[])[0]?.size === i)).toBe(true);
    expect(found.slice(2_000).every((rows) => (rows as unknown[]).length === 0)).toBe(true);
    expect(open.figures()).toMatchObject({ hits: 0, misses: 2_100 });
    expect(open.figures().requests).toBeLessThan(40);
    console.log(
      `lookups in ${kind}: 2100 keys in ${open.figures().requests} requests, ${open.figures().seconds.toFixed(3)} s`,
    );
  });

  it("waits for a table and a server, says so, and goes on when they are there", async () => {
    const context = connectorContext();
    const open = await client({ table: `later_${kind}` }, { context });
    const answered = ask(open, "a");
    await context.reported((p) => p?.code === "LOOKUP_UNREACHABLE" && /no table or view "later_/.test(p.message));
    await server.query(`CREATE TABLE before_${kind} (sku varchar(9), n int)`);
    await server.query(`INSERT INTO before_${kind} VALUES ('a', 1), ('b', 2)`);
    await server.query(`ALTER TABLE before_${kind} RENAME TO later_${kind}`);
    expect(await answered).toEqual([[{ sku: "a", n: 1 }]]);
    await server.stop();
    const second = ask(open, "b");
    await context.reported((p) => /ECONNREFUSED|closed|terminated/i.test(p?.message ?? ""));
    await server.restart();
    expect(await second).toEqual([[{ sku: "b", n: 2 }]]);
    expect(context.problems.at(-1)).toBeUndefined();
  });
});

describe("a lookup in Redis", () => {
  let server: RedisServer;
  beforeAll(async () => {
    server = await startRedis();
  });
  afterAll(() => server?.close());
  const client = (plan: Parameters<typeof clientOf>[2] = {}) =>
    clientOf("redis", { ...server.connection, path: "good:{key}" }, { referenced: server.referenced, ...plan });

  it("gives the JSON of each key in as few calls as it can, and says of what is no JSON where it is", async () => {
    await server.set({ "good:a": '{"price":1.50}', "good:7": "7", "good:x:1": "[1]", "good:odd": "{" });
    const open = await client({ capacity: 1_000 });
    expect(await ask(open, "a", 7, ["x", 1], "none", "odd", "$&")).toEqual([
      [{ price: 1.5 }],
      [7],
      [[1]],
      [],
      '"good:odd" is not JSON: {',
      [],
    ]);
    expect(open.figures()).toMatchObject({ misses: 6, requests: 1 });
  });

  it("says which Secret has the login that is refused, and goes on when it is right", async () => {
    const context = connectorContext();
    let password = "canary-of-a-wrong-password";
    const referenced: RedisServer["referenced"] = (kind, name, key) =>
      key === "password" ? password : server.referenced(kind, name, key);
    const open = await client({ context, referenced });
    await server.set({ "good:b": "1" });
    const answered = ask(open, "b");
    await context.reported((p) => /WRONGPASS.*those of Secret "redis": correct it/.test(p?.message ?? ""));
    password = server.referenced("Secret", "redis", "password") ?? "";
    expect(await answered).toEqual([[1]]);
    expect(JSON.stringify(context.problems)).not.toContain("canary");
  });

  it("waits while the server is gone and goes on when it is back", async () => {
    const context = connectorContext();
    const open = await client({ context });
    await server.set({ "good:b": "1" });
    expect(await ask(open, "b")).toEqual([[1]]);
    await server.stop("SIGKILL");
    const answered = ask(open, "b");
    await context.reported((p) => p?.code === "LOOKUP_UNREACHABLE");
    await server.restart();
    expect(await answered).toEqual([[1]]);
  });

  it("fails the records of a request whose retries are used up, and those alone", async () => {
    const open = await client({ retries: 1 });
    await server.stop();
    expect(await ask(open, "b")).toEqual([expect.stringMatching(/^redis: .*\(after 2 tries\)$/)]);
    await server.restart();
    expect(await ask(open, "b")).toEqual([[1]]);
  });

  it("remembers answers until they are too old, keys without a row only if told to, and forgets the longest unused", async () => {
    let now = 1_000;
    const context = connectorContext();
    const timed = { ...context, source: { ...context.source, clock: { ...context.source.clock, elapsed: () => now } } };
    const cache = { rows: 2, ttlMs: 500, missing: false };
    const open = await client({ context: timed, cache });
    await server.set({ "good:c": "1", "good:d": "2", "good:e": "3" });
    const seen = async (...keys: string[]) => [await ask(open, ...keys), open.figures().hits];
    expect(await seen("c", "none")).toEqual([[[1], []], 0]);
    await server.set({ "good:c": "10" });
    expect(await seen("c", "none")).toEqual([[[1], []], 1]);
    now += 499;
    expect(await seen("c")).toEqual([[[1]], 2]);
    now += 1;
    expect(await seen("c")).toEqual([[[10]], 2]);
    await seen("d");
    expect((await seen("c"))[1]).toBe(3);
    await seen("e");
    expect(await seen("c")).toEqual([[[10]], 4]);
    expect((await seen("d"))[1]).toBe(4);
  });
});

describe("a lookup over HTTP", () => {
  let url = "";
  let answer: (request: IncomingMessage, response: ServerResponse) => void = () => {};
  const server = createServer((request, response) => answer(request, response));
  beforeAll(async () => {
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/api/`;
  });
  afterAll(() => {
    server.closeAllConnections();
    server.close();
  });
  beforeEach(() => {
    answer = (request, response) => {
      const path = request.url ?? "";
      const codes: Readonly<Record<string, number>> = { none: 404, bad: 400 };
      const code = codes[path.split("/")[3]?.split("?")[0] ?? ""] ?? 200;
      response.writeHead(code).end(code === 200 ? JSON.stringify({ path, by: request.headers.authorization }) : "?");
    };
  });
  const client = (plan: Parameters<typeof clientOf>[2] = {}, config: object = {}) =>
    clientOf("http", { url, path: "goods/{key}?full=1", ...config }, plan);

  it("asks for each key, with its parts escaped, and tells no row from a request that is wrong", async () => {
    const referenced: Referenced = (kind, name, key) =>
      kind === "Secret" && name === "api" && key === "token" ? "t0\n" : undefined;
    const open = await client({ referenced }, { secretRef: { name: "api" } });
    expect(await ask(open, "a/b ?", ["x", 2], "none", "bad")).toEqual([
      [{ path: "/api/goods/a%2Fb%20%3F?full=1", by: "Bearer t0" }],
      [{ path: "/api/goods/x/2?full=1", by: "Bearer t0" }],
      [],
      expect.stringMatching(/goods\/bad\?full=1 was answered with 400$/),
    ]);
  });

  it("has no more requests under way than its capacity, and asks once for a key that many records have", async () => {
    let open = 0;
    let most = 0;
    const waiting: (() => void)[] = [];
    answer = (_, response) => {
      most = Math.max(most, ++open);
      waiting.push(() => {
        open--;
        response.end("1");
      });
    };
    const asking = client({ capacity: 3 }).then((c) => ask(c, 1, 1, 2, 3, 4, 5, 1));
    for (let done = 0; done < 5; done++) {
      await expect.poll(() => waiting.length, { timeout: 60_000 }).toBeGreaterThan(0);
      waiting.shift()?.();
    }
    expect(await asking).toEqual(Array.from({ length: 7 }, () => [1]));
    expect(most).toBeLessThanOrEqual(3);
  });

  it("repeats a request that takes too long or is answered with an error", async () => {
    let calls = 0;
    answer = (_, response) => {
      calls++;
      if (calls === 1) return;
      if (calls === 2) response.writeHead(503).end();
      else response.end("1");
    };
    const context = connectorContext();
    const open = await client({ context, timeoutMs: 2_000 });
    expect(await ask(open, "slow")).toEqual([[1]]);
    expect(context.problems.map((p) => p?.message)).toEqual([
      expect.stringMatching(/^http: (no answer in 2000 ms|.*abort.*)$/i),
      expect.stringMatching(/^http: GET .* was answered with 503$/),
      undefined,
    ]);
  });
});
