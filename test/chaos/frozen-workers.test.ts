/** Workers that sleep beyond their replacement and wake up: nothing that they still write may be seen. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { Pipeline } from "../../src/api/pipeline.schema.ts";
import type { StartDocument } from "../../src/api/worker-protocol.ts";
import type { Plan } from "../../src/engine/plan.ts";
import { planPipeline } from "../../src/engine/planner/plan-pipeline.ts";
import { countFolder, type Counted } from "../builders/exactly-once-outside.ts";
import { podWorkers } from "../builders/pod-workers.ts";
import { startDocumentOf, type WorkerProcess } from "../builders/worker-process.ts";
import { startDatabase, type DatabaseKind } from "../servers/databases.ts";
import { BUCKET, startS3 } from "../servers/s3.ts";

const LONG = process.env["WEIR_LONG"] === "1";
/** How long a worker is out beyond its replacement. */
const FROZEN_MS = LONG ? 60_000 : 2_000;
const RECORDS = 400_000;
/** In a second and worker; a worker that reads no faster is still at work on any machine. */
const SLOW = 1_000;

type Sink = NonNullable<Pipeline["nodes"][number]["sink"]>;

/** What workers write into. */
interface Outside {
  readonly connections?: NonNullable<Pipeline["connections"]>;
  /** What the kubelet mounts of the Secret that the connection names. */
  readonly secret?: { readonly name: string; readonly values: Readonly<Record<string, string>> };
  /** Makes room for the workers of one pod. */
  place(pod: string): Promise<{ readonly sink: Sink; count(): Promise<Counted> }>;
  stop(): Promise<void>;
}

const folder = (): Promise<Outside> =>
  Promise.resolve({
    place: (pod) =>
      Promise.resolve({
        sink: { file: { path: "/results" } },
        count: () => Promise.resolve(countFolder(join(pod, "results"))),
      }),
    stop: () => Promise.resolve(),
  });

async function bucket(): Promise<Outside> {
  const s3 = await startS3();
  const name = "s3-user";
  return {
    connections: [{ name: "outside", s3: { bucket: BUCKET, endpoint: s3.endpoint, secretRef: { name } } }],
    secret: { name, values: s3.credentials },
    place: (pod) =>
      Promise.resolve({
        sink: { connection: "outside", s3: { prefix: pod } },
        count: () => Promise.resolve(countFolder(join(s3.folderOf(BUCKET), pod))),
      }),
    stop: () => s3.stop(),
  };
}

async function database(kind: DatabaseKind): Promise<Outside> {
  const server = await startDatabase(kind);
  const { name } = server.connection.secretRef;
  const value = (key: string): [string, string] => [key, server.referenced("Secret", name, key) ?? ""];
  const table = "results";
  return {
    connections: [{ name: "outside", [kind]: server.connection }],
    secret: { name, values: Object.fromEntries(["username", "password"].map(value)) },
    place: async () => {
      await server.query(`CREATE TABLE ${table} (id int, tenant varchar(20))`);
      const query = `SELECT count(*) AS total, count(DISTINCT concat(tenant, '/', id)) AS various FROM ${table}`;
      return {
        sink: { connection: "outside", [kind]: { table } },
        count: async () => {
          const [row] = await server.query(query);
          return { total: Number(row?.["total"]), various: Number(row?.["various"]) };
        },
      };
    },
    stop: () => server.close(),
  };
}

const pod = podWorkers();

const cases: readonly { readonly name: string; readonly isShort: boolean; start(): Promise<Outside> }[] = [
  { name: "a folder", isShort: true, start: folder },
  { name: "PostgreSQL", isShort: true, start: () => database("postgres") },
  { name: "MariaDB", isShort: false, start: () => database("mysql") },
  { name: "a bucket", isShort: false, start: bucket },
];

describe.each(cases.filter(({ isShort }) => LONG || isShort))(
  "a worker that writes exactly once into $name",
  ({ name, start: startOutside }) => {
    let outside: Outside;
    let place: Awaited<ReturnType<Outside["place"]>>;
    beforeAll(async () => {
      outside = await startOutside();
    });
    afterAll(() => outside?.stop());
    beforeEach(async () => {
      place = await outside.place(pod.path);
      const { secret } = outside;
      if (secret === undefined) return;
      const mounted = join(pod.path, "etc/weir/secrets", secret.name);
      mkdirSync(mounted, { recursive: true });
      for (const [key, value] of Object.entries(secret.values)) writeFileSync(join(mounted, key), value);
    });

    function planOf(readRate: number | undefined): Plan {
      const { connections } = outside;
      const fields = [
        { path: "id", sequence: {} },
        { path: "tenant", key: { prefix: "t", count: 40 } },
      ];
      const datagen = { splits: 4, rate: 0, count: RECORDS, fields, ...(readRate === undefined ? {} : { readRate }) };
      const pipeline: Pipeline = {
        ...(connections === undefined ? {} : { connections }),
        nodes: [
          { name: "events", source: { datagen } },
          { name: "out", from: ["events"], sink: place.sink },
        ],
      };
      return planPipeline(pipeline, { parameters: {}, maxParallelism: 4, delivery: "ExactlyOnce" });
    }
    const launch = (
      readRate: number | undefined,
      start: Partial<StartDocument>,
      who: { slot: number; attempt: number },
    ) => pod.launch({ plan: planOf(readRate), start: startDocumentOf({ slots: 2, ...start }), ...who });
    const committed = (worker: WorkerProcess, records = 0): Promise<unknown> =>
      worker.event((e) => e.type === "metrics" && e.metrics.totalOut > records).then(() => next(worker));
    const next = (worker: WorkerProcess) => worker.event((e) => e.type === "checkpoint" && e.checkpoint.ok);
    const wakesUp = async (frozen: WorkerProcess): Promise<void> => {
      frozen.kill("SIGCONT");
      expect((await frozen.exited).code, frozen.log.join("\n")).toBe(1);
      // It may have slept anywhere: before its manifest, in the middle of a commit that its successor has made, or in a write
      // of what is no longer there.
      expect(frozen.log.join("\n")).toMatch(
        /WORKER_REFUSED|SINK_UNREACHABLE|TRANSACTION_LOST|CHECKPOINT_UNWRITABLE|AT_RISK/,
      );
    };

    it("adds nothing when it wakes up beyond its replacement, by a worker of its epoch or by another epoch", async () => {
      const [frozen, other] = await Promise.all([0, 1].map((slot) => launch(SLOW, {}, { slot, attempt: 0 })));
      if (frozen === undefined || other === undefined) return;
      await committed(frozen);
      frozen.kill("SIGSTOP");
      const replacement = await launch(SLOW, {}, { slot: 0, attempt: 1 });
      await next(replacement);
      await delay(FROZEN_MS);
      await wakesUp(frozen);
      // Its container is started again, as a kubelet does that has not heard of the replacement.
      const again = await launch(SLOW, {}, { slot: 0, attempt: 0 });
      expect((await again.exited).code).toBe(1);
      expect(again.log.join("\n")).toContain("WORKER_REFUSED");

      await next(other);
      for (const worker of [replacement, other]) worker.kill("SIGSTOP");
      const restore = { kind: "checkpoint", epoch: 1, slots: 2 } as const;
      const last = { epoch: 2, slots: 1, restore };
      const successor = await launch(undefined, last, { slot: 0, attempt: 0 });
      await next(successor);
      await Promise.all([replacement, other].map(wakesUp));
      expect((await successor.exited).code, successor.log.join("\n")).toBe(0);

      const { total, various } = await place.count();
      console.log(
        `${name}: ${total - various} records accepted of workers that were replaced, ${RECORDS - various} lost`,
      );
      expect({ total, various }).toEqual({ total: RECORDS, various: RECORDS });
    });
  },
);
