/** What a job can write into exactly once, each with a place of its own for every life of a job, and how many records are there. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { PlanSink } from "../../src/engine/plan.ts";
import { startDatabase, type DatabaseKind } from "../servers/databases.ts";
import { startKafka } from "../servers/kafka.ts";
import { BUCKET, startS3 } from "../servers/s3.ts";
import { filesBelow } from "./files-below.ts";

export interface Outside {
  /** An empty place; more than one sink where the commits of several can follow one checkpoint. */
  place(name: string): Promise<Place>;
  readonly secret: (name: string, key: string) => string | undefined;
  close(): Promise<void>;
}

export interface Place {
  readonly sinks: readonly (Pick<PlanSink, "connector" | "config" | "delivery"> & Partial<PlanSink>)[];
  /** Of each sink: all records, and how many different ones. */
  count(): Promise<readonly Counted[]>;
}

export interface Counted {
  readonly total: number;
  readonly various: number;
}

const delivery = "ExactlyOnce";

export async function databaseOutside(kind: DatabaseKind): Promise<Outside> {
  const server = await startDatabase(kind);
  return {
    secret: (name, key) => server.referenced("Secret", name, key),
    close: () => server.close(),
    place: async (table) => {
      await server.query(`CREATE TABLE ${table} (k varchar(20), n int)`);
      const config = { ...server.connection, table, batching: { count: 500 } };
      const query = `SELECT count(*) AS total, count(DISTINCT concat(k, '/', n)) AS various FROM ${table}`;
      return {
        sinks: [{ connector: kind, config, delivery }],
        count: async () => {
          const rows = await server.query(query);
          return rows.map((row) => ({ total: Number(row["total"]), various: Number(row["various"]) }));
        },
      };
    },
  };
}

/** What is committed of one topic for each place. */
export async function kafkaOutside(): Promise<Outside> {
  const server = await startKafka();
  return {
    secret: () => undefined,
    close: () => server.close(),
    place: async (topic) => {
      await server.createTopic(topic, 2);
      return {
        sinks: [{ connector: "kafka", config: { brokers: server.brokers, topic }, delivery }],
        count: async () => {
          const found = await server.consumeAll(topic, { isolation: "committed" });
          return [{ total: found.length, various: new Set(found.map(({ value }) => value)).size }];
        },
      };
    },
  };
}

export async function folderOutside(): Promise<Outside> {
  const root = await mkdtemp(join(tmpdir(), "weir-parts-"));
  return {
    secret: () => undefined,
    close: () => rm(root, { recursive: true, force: true, maxRetries: 5 }),
    place: (name) => {
      const folders = ["a", "b"].map((folder) => join(root, name, folder));
      return Promise.resolve({
        sinks: folders.map((path) => ({ connector: "file", config: { path, rollSize: "16Ki" }, delivery })),
        count: () => Promise.resolve(folders.map(countFolder)),
      });
    },
  };
}

export async function bucketOutside(): Promise<Outside> {
  const server = await startS3();
  const { endpoint, credentials } = server;
  const secretRef = "s3-user";
  return {
    secret: (name, key) => (name === secretRef ? (credentials as Record<string, string>)[key] : undefined),
    close: () => server.stop(),
    place: (name) => {
      const prefixes = ["a", "b"].map((folder) => `${name}/${folder}`);
      const config = { bucket: BUCKET, endpoint, secretRef: { name: secretRef }, rollSize: "128Ki" };
      return Promise.resolve({
        sinks: prefixes.map((prefix) => ({ connector: "s3", config: { ...config, prefix }, delivery, secretRef })),
        // The store keeps objects as files.
        count: () => Promise.resolve(prefixes.map((prefix) => countFolder(join(server.folderOf(BUCKET), prefix)))),
      });
    },
  };
}

/** Sinks of a system that decides what counts, and such as follow it, in one job. */
export async function together(...parts: readonly Promise<Outside>[]): Promise<Outside> {
  const outsides = await Promise.all(parts);
  return {
    secret: (name, key) => outsides.map((outside) => outside.secret(name, key)).find((value) => value !== undefined),
    close: async () => void (await Promise.all(outsides.map((outside) => outside.close()))),
    place: async (name) => {
      const places = await Promise.all(outsides.map((outside) => outside.place(name)));
      return {
        sinks: places.flatMap(({ sinks }) => sinks),
        count: async () => (await Promise.all(places.map((place) => place.count()))).flat(),
      };
    },
  };
}

/** What a reader of the folder sees: files that are not hidden. */
export function countFolder(path: string): Counted {
  const files = Object.entries(filesBelow(path)).filter(([file]) => file.endsWith(".ndjson"));
  return counted(files.map(([, text]) => text));
}

export function counted(texts: readonly string[]): Counted {
  const lines = texts.flatMap((text) => text.split("\n").slice(0, -1));
  return { total: lines.length, various: new Set(lines).size };
}
