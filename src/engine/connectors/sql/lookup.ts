import { messageOf } from "../../../errors.ts";
import type { Found, LookupBackend, LookupFactory } from "../../lookups/lookup-backend.ts";
import type { ConnectorContext } from "../connector.ts";
import { qualified, tableNameOf } from "./session.ts";
import type { Column, Dialect, SqlSession, SqlSinkConfig } from "./session.ts";

/** What a plan holds of a lookup in a database: the connection's fields and the node's own. */
export interface SqlLookupConfig extends SqlSinkConfig {
  readonly keyColumns: readonly string[];
}

/** A table that rows are looked for in. */
export interface LookedIn {
  readonly session: SqlSession;
  /** As it stands in a statement. */
  readonly table: string;
  readonly columns: readonly Column[];
  /** In the order of a key's parts. */
  readonly keyColumns: readonly Column[];
}

export interface SqlLookup {
  readonly dialect: Dialect;
  readonly batch: number;
  /** Rows of each key, whose parts are as many as the key columns. */
  readonly find: (at: LookedIn, keys: readonly (readonly unknown[])[]) => Promise<readonly Found[]>;
}

/** A connection that looks only outlasts any pause between two questions. */
const IDLE_MS = 24 * 3_600_000;

/** The lookup of a database, once its dialect is given: one connection, and one statement for many keys. */
export const sqlLookup = (of: SqlLookup): LookupFactory => ({
  open: (config, ctx) => backend(of, config as SqlLookupConfig, ctx),
});

function backend({ dialect, batch, find }: SqlLookup, config: SqlLookupConfig, ctx: ConnectorContext): LookupBackend {
  let current: LookedIn | undefined;
  const drop = async (): Promise<void> => {
    const { session } = current ?? {};
    current = undefined;
    await session?.close();
  };
  const connect = async (): Promise<LookedIn> => {
    const session = await dialect.connect(config, ctx, { idleMs: IDLE_MS });
    try {
      return await look(dialect, config, session);
    } catch (e) {
      await session.close();
      throw e;
    }
  };
  return {
    batch,
    parallel: 1,
    find: async (keys, signal) => {
      if (current?.session.lost === true) await drop();
      const at = current ?? (await connect());
      if (signal.aborted) {
        // Whoever asked again meanwhile has a connection of its own.
        if (current !== at) await at.session.close();
        throw signal.reason;
      }
      current = at;
      // Nobody waits any more, so the connection is given up together with its statement.
      const leave = (): void => void (current === at ? drop() : at.session.close());
      signal.addEventListener("abort", leave, { once: true });
      try {
        return await findWhole(keys, config.keyColumns, (parts) => find(at, parts));
      } catch (e) {
        await (current === at ? drop() : at.session.close());
        throw e;
      } finally {
        signal.removeEventListener("abort", leave);
      }
    },
    close: drop,
  };
}

async function look(dialect: Dialect, { table, keyColumns }: SqlLookupConfig, session: SqlSession): Promise<LookedIn> {
  const name = tableNameOf(table);
  const facts = await session.describe(name);
  if (facts === undefined)
    throw new Error(`there is no table or view "${table}"; create it, or let the connection's user see it`);
  const { columns } = facts;
  const keys = keyColumns.map((key) => {
    const column = columns.find((c) => c.name === key);
    if (column !== undefined) return column;
    throw new Error(`keyColumns names "${key}", which table "${table}" does not have`);
  });
  return { session, table: qualified(dialect, name), columns, keyColumns: keys };
}

/** Asks for the keys that fit the key columns; the others have no answer. */
async function findWhole(
  keys: readonly unknown[],
  { length }: readonly string[],
  find: (parts: readonly (readonly unknown[])[]) => Promise<readonly Found[]>,
): Promise<readonly Found[]> {
  const parts = keys.map((key): readonly unknown[] => (Array.isArray(key) ? key : [key]));
  const fit = parts.filter((p) => p.length === length);
  const found = fit.length === 0 ? [] : await find(fit);
  let at = 0;
  return parts.map((p) =>
    p.length === length
      ? (found[at++] ?? { rows: [] })
      : { problem: `the key has ${p.length} parts and keyColumns ${length}: ${JSON.stringify(p)}` },
  );
}

/** Rows by the number of their key, as a database gives them. */
export function rowsByKey(rows: readonly Readonly<Record<string, unknown>>[], keys: number): Found[] {
  const found = Array.from({ length: keys }, (): Buffer[] => []);
  for (const { n, row } of rows) found[Number(n)]?.push(Buffer.from(String(row)));
  return found.map((texts) => ({ rows: texts }));
}

type Keys = readonly (readonly unknown[])[];

/** After an error that a key is to blame for: asks for the keys by halves, until that one alone has no answer. */
export async function withoutRefused(
  error: unknown,
  of: { keys: Keys; find: (keys: Keys) => Promise<readonly Found[]>; isRefusal: (error: unknown) => boolean },
): Promise<readonly Found[]> {
  const { keys, find } = of;
  if (!of.isRefusal(error)) throw error;
  if (keys.length === 1) return [{ problem: `the key is none for the table: ${messageOf(error)}` }];
  const half = Math.ceil(keys.length / 2);
  return [...(await find(keys.slice(0, half))), ...(await find(keys.slice(half)))];
}
