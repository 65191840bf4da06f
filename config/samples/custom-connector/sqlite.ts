import { DatabaseSync } from "node:sqlite";
import type { SinkFactory } from "weir/connectors";

/** A sink that keeps records in a table of a SQLite file, by a field that names each: writing one again changes nothing. */

interface Config {
  readonly path: string;
  readonly table: string;
  readonly id: string;
}

/** As many wait in memory before the sources do. */
const MOST_WAITING = 10_000;

export const sqlite: SinkFactory = {
  open: (config, { resolvePath }) => {
    const { path, table, id } = config as Config;
    if (!/^[a-z_]+$/.test(table)) throw new Error(`"${table}" is not the name of a table`);
    const database = new DatabaseSync(resolvePath(path), { timeout: 10_000 });
    database.exec(`CREATE TABLE IF NOT EXISTS ${table} (id TEXT PRIMARY KEY, record TEXT NOT NULL)`);
    const insert = database.prepare(
      `INSERT INTO ${table} VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET record = excluded.record`,
    );
    const counters = { records: 0, bytes: 0 };
    let waiting: string[] = [];
    let wake = (): void => undefined;

    const write = (): void => {
      const records = waiting;
      waiting = [];
      database.exec("BEGIN IMMEDIATE");
      for (const record of records) insert.run(String((JSON.parse(record) as Record<string, unknown>)[id]), record);
      database.exec("COMMIT");
      wake();
    };
    return Promise.resolve({
      // Copies: the bytes are good during the call only.
      append: ({ value, start, end }) => {
        // A tombstone: it has no field that names a row.
        if (end < start) return;
        waiting.push(value.toString("utf8", start, end));
        counters.records++;
        counters.bytes += end - start;
        if (waiting.length === MOST_WAITING) setImmediate(write);
      },
      saturated: () => waiting.length >= MOST_WAITING,
      onDrain: (call) => {
        wake = call;
      },
      // At every checkpoint: what was appended before is safe when this resolves.
      flush: () => {
        write();
        return Promise.resolve();
      },
      counters: () => counters,
      close: () => {
        database.close();
        return Promise.resolve();
      },
    });
  },
};
