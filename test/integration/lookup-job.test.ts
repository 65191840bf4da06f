import { mkdir, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { planPipeline } from "../../src/engine/planner/plan-pipeline.ts";
import { filesBelow } from "../builders/files-below.ts";
import { podWorkers } from "../builders/pod-workers.ts";
import { startDocumentOf } from "../builders/worker-process.ts";
import { startDatabase, type DatabaseServer } from "../servers/databases.ts";

const COUNT = 8_000;
const KILLS = process.env["WEIR_LONG"] === "1" ? 30 : 4;
const KEYS = 40;

/** Answers each key after a while, but for every eighth, which has no row. */
const prices = createServer((request, response) => {
  const key = Number(request.url?.split("/").at(-1));
  setTimeout(
    () => (key % 8 === 7 ? response.writeHead(404).end() : response.end(JSON.stringify({ cents: key * 100 }))),
    1 + (key % 13),
  );
});
let database: DatabaseServer;
beforeAll(async () => {
  database = await startDatabase("postgres");
  await new Promise<void>((resolve) => prices.listen(0, "127.0.0.1", resolve));
});
afterAll(async () => {
  prices.closeAllConnections();
  prices.close();
  await database?.close();
});

const planOf = (table: string) =>
  planPipeline(
    {
      connections: [
        { name: "prices", http: { url: `http://127.0.0.1:${(prices.address() as AddressInfo).port}` } },
        { name: "shop", postgres: database.connection },
      ],
      nodes: [
        {
          name: "orders",
          source: {
            datagen: {
              splits: 2,
              rate: 0,
              readRate: 2_500,
              count: COUNT,
              fields: [
                { path: "tenant", key: { prefix: "t", count: 2 } },
                { path: "id", sequence: {} },
              ],
            },
          },
        },
        {
          name: "priced",
          from: ["orders"],
          join: {
            type: "Left",
            leftKey: `left.id % ${KEYS}`,
            lookup: { connection: "prices", path: "/prices/{key}", capacity: 60 },
            select: { tenant: "left.tenant", id: "left.id", cents: "right.cents" },
          },
        },
        { name: "out", from: ["priced"], sink: { connection: "shop", postgres: { table } } },
      ],
    },
    { parameters: {}, maxParallelism: 4, delivery: "ExactlyOnce" },
  );

/** Checkpoints that are kept now and have records which wait for an answer. */
const withWaiting = (folder: string): number =>
  Object.entries(filesBelow(folder)).filter(
    ([name, text]) => name.endsWith("manifest.json") && text.includes('"node":"priced"'),
  ).length;

const pod = podWorkers();

it("gives every record its row once over kill -9, with records on their way in the checkpoints", async () => {
  await database.query("CREATE TABLE priced (tenant text, id int, cents int)");
  const secrets = join(pod.path, "etc/weir/secrets/database");
  await mkdir(secrets, { recursive: true });
  for (const key of ["username", "password"])
    await writeFile(join(secrets, key), database.referenced("Secret", "database", key) ?? "");
  const plan = planOf("priced");
  let kept = 0;
  for (let attempt = 0; attempt <= KILLS; attempt++) {
    const worker = await pod.launch({ plan, start: startDocumentOf(), attempt });
    if (attempt === KILLS) {
      const end = await worker.event((e) => e.type === "finished" || e.type === "failed");
      expect(end).toMatchObject({ type: "finished" });
      await worker.exited;
      break;
    }
    let checkpoints = 0;
    await worker.event((e) => e.type === "finished" || (e.type === "checkpoint" && ++checkpoints === 3));
    worker.kill("SIGKILL");
    await worker.exited;
    kept += withWaiting(join(pod.path, "state"));
  }
  const [row] = await database.query(
    `SELECT count(*) AS rows, count(DISTINCT (tenant, id)) AS records, count(*) FILTER (WHERE cents IS NULL) AS missing,
              count(*) FILTER (WHERE cents IS DISTINCT FROM CASE WHEN id % ${KEYS} % 8 = 7 THEN NULL ELSE id % ${KEYS} * 100 END) AS wrong
         FROM priced`,
  );
  console.log(`lookup job: ${JSON.stringify(row)}, ${KILLS} kills, ${kept} checkpoints with records on their way`);
  expect(row).toEqual({ rows: String(COUNT), records: String(COUNT), missing: String(COUNT / 8), wrong: "0" });
  expect(kept).toBeGreaterThan(0);
});
