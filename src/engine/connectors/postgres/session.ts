import { createHash } from "node:crypto";
import pg from "pg";
import { readTls, refusedLogin } from "../credentials.ts";
import { CONNECT_MS, endOrDestroy, inTime, loginOf, untilSeized } from "../sql/driver.ts";
import type { Shape, SqlRow } from "../sql/rows.ts";
import { qualified, RowRefused, tableNameOf } from "../sql/session.ts";
import type { Column, Dialect, SqlSession, SqlSinkConfig, TableFacts, TableName } from "../sql/session.ts";

const PORT = 5432;

export const quote = (identifier: string): string => `"${identifier.replaceAll('"', '""')}"`;

export const postgres: Dialect = {
  system: "PostgreSQL",
  quote,
  insertIgnore: (table, columns, values) =>
    `INSERT INTO ${table} (${columns}) VALUES (${values}) ON CONFLICT DO NOTHING`,
  connect: async (config, ctx, { idleMs, statementMs }) => {
    const client = new pg.Client({
      host: config.host,
      port: config.port ?? PORT,
      database: config.database,
      ...loginOf(config, ctx),
      ssl: config.tls === undefined ? false : readTls(config.tls, ctx),
      connectionTimeoutMillis: CONNECT_MS,
      keepAlive: true,
      application_name: `weir ${ctx.job ?? ctx.node}`.slice(0, 63),
    });
    const opened = sessionOf(client, config, ctx.signal);
    try {
      await client.connect();
      // Rows of a worker that is gone without a word must not stay locked for ever.
      const settings = `SELECT set_config('idle_in_transaction_session_timeout', ?, false), set_config('default_transaction_isolation', 'read committed', false)`;
      await inTime(opened.query(settings, [String(Math.ceil(idleMs))]), CONNECT_MS);
      if (statementMs !== undefined) await inTime(opened.query(SHORTER, [Math.ceil(statementMs)]), CONNECT_MS);
      return opened;
    } catch (e) {
      await opened.close();
      throw isBadLogin(e) ? refusedLogin(e, config.secretRef) : e;
    }
  },
};

/** What is set for the user or the database stays where it is less; 0 is none. */
const SHORTER = `SELECT set_config(name, CAST(LEAST(NULLIF(CAST(setting AS bigint), 0), CAST(? AS bigint)) AS text), false)
  FROM pg_settings WHERE name = 'statement_timeout'`;

/** SQLSTATE class 28: invalid authorization specification. */
const isBadLogin = (e: unknown): boolean =>
  e instanceof Error && "code" in e && typeof e.code === "string" && e.code.startsWith("28");

/** With `$1`, `$2` for each question mark that does not stand in a name or text. */
export function numbered(text: string): string {
  let n = 0;
  return text.replaceAll(/"[^"]*"|'[^']*'|\?/g, (found) => (found === "?" ? `$${++n}` : found));
}

function sessionOf(client: pg.Client, { table }: SqlSinkConfig, signal: AbortSignal): SqlSession {
  const target = qualified(postgres, tableNameOf(table));
  let lost = false;
  client.on("error", () => (lost = true));
  client.on("end", () => (lost = true));

  const query: SqlSession["query"] = async (text, parameters = []) => {
    const { rows, rowCount } = await client.query<Record<string, unknown>>(numbered(text), [...parameters]);
    return { rows, changed: rowCount ?? 0 };
  };
  return {
    query,
    describe: (name) => describe(query, name),
    statements: (_shape, rows) => [rows],
    write: async (shape, rows) => {
      try {
        await client.query(statementOf(target, shape), [`[${rows.map((r) => r.text).join(",")}]`]);
      } catch (e) {
        throw isRefusal(e) ? refusalOf(e, { client, target, shape, rows }) : e;
      }
    },
    seize: async (name) => {
      const key = createHash("sha256").update(name).digest().readBigInt64BE().toString();
      const held = "an older worker's session is still open and does not end; end it with pg_terminate_backend";
      await untilSeized(signal, held, async () => {
        const { rows } = await query("SELECT pg_try_advisory_lock(CAST(? AS bigint)) AS mine", [key]);
        if (rows[0]?.["mine"] === true) return true;
        await query(
          `SELECT pg_terminate_backend(pid) FROM pg_locks
            WHERE locktype = 'advisory' AND objsubid = 1 AND granted AND pid <> pg_backend_pid()
              AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
              AND ((CAST(CAST(classid AS bigint) AS bit(64)) << 32) | CAST(CAST(objid AS bigint) AS bit(64))) = CAST(CAST(? AS bigint) AS bit(64))`,
          [key],
        );
        return false;
      });
    },
    get lost() {
      return lost;
    },
    close: async () => {
      lost = true;
      const { stream } = client.connection as unknown as { stream?: { destroy(): void } };
      await endOrDestroy(
        () => client.end(),
        () => stream?.destroy(),
      );
    },
  };
}

/** The rows go as one JSON text: PostgreSQL converts the values itself, and nothing of a number's digits is lost. */
function statementOf(target: string, { columns, keyColumns }: Shape): string {
  const names = columns.map((c) => quote(c.name)).join(", ");
  const rows = `json_populate_recordset(NULL::${target}, $1::json)`;
  if (names === "") return `INSERT INTO ${target} DEFAULT VALUES`;
  if (keyColumns.length === 0) return `INSERT INTO ${target} (${names}) SELECT ${names} FROM ${rows}`;
  const keys = keyColumns.map(quote).join(", ");
  const others = columns.filter((c) => !keyColumns.includes(c.name)).map((c) => quote(c.name));
  const change =
    others.length === 0 ? "DO NOTHING" : `DO UPDATE SET ${others.map((c) => `${c} = EXCLUDED.${c}`).join(", ")}`;
  return `INSERT INTO ${target} (${names}) ${lastOf(rows, names, keys)} ON CONFLICT (${keys}) ${change}`;
}

/**
 * The last row of each key, in the order in which they came. Only PostgreSQL knows which keys are equal however they are
 * spelled (a uuid in capitals, a time in another zone), and one statement may meet a row only once.
 */
function lastOf(rows: string, names: string, keys: string): string {
  const counted = `SELECT row_number() OVER () AS "weir row", r.* FROM ${rows} AS r`;
  const last = `SELECT DISTINCT ON (${keys}) * FROM (${counted}) AS c ORDER BY ${keys}, "weir row" DESC`;
  return `SELECT ${names} FROM (${last}) AS l ORDER BY "weir row"`;
}

async function describe(query: SqlSession["query"], { schema, name }: TableName): Promise<TableFacts | undefined> {
  const relation = schema === undefined ? quote(name) : `${quote(schema)}.${quote(name)}`;
  const columns = await query(
    `SELECT a.attname AS name, format_type(a.atttypid, NULL) AS type,
            a.attnotnull AND NOT a.atthasdef AND a.attidentity = '' AS required,
            a.attgenerated <> '' OR a.attidentity = 'a' AS generated
       FROM pg_attribute a WHERE a.attrelid = to_regclass(?) AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum`,
    [relation],
  );
  if (columns.rows.length === 0) return undefined;
  const keys = await query(
    `SELECT json_agg(a.attname) AS key FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)
      WHERE i.indrelid = to_regclass(?) AND i.indisunique AND i.indpred IS NULL AND i.indexprs IS NULL GROUP BY i.indexrelid`,
    [relation],
  );
  return {
    columns: columns.rows.map((row): Column => ({
      name: String(row["name"]),
      type: String(row["type"]),
      required: row["required"] === true,
      generated: row["generated"] === true,
    })),
    uniqueKeys: keys.rows.map((row) => row["key"] as string[]),
  };
}

/** Data exceptions and broken constraints: no repetition mends them. */
export const isRefusal = (e: unknown): e is pg.DatabaseError =>
  e instanceof pg.DatabaseError && (/^2[23]/.test(e.code ?? "") || e.code === "42804" || e.code === "21000");

interface Refused {
  readonly client: pg.Client;
  readonly target: string;
  readonly shape: Shape;
  readonly rows: readonly SqlRow[];
}

function refusalOf(e: pg.DatabaseError, refused: Refused): RowRefused {
  const { message, detail, column, constraint } = e;
  const more = [detail, constraint === undefined ? undefined : `constraint ${constraint}`].filter(
    (x) => x !== undefined,
  );
  const text = [message, ...more].join("; ");
  return new RowRefused(text, column ?? columnIn(refused, message), e);
}

/** The column whose value is in the message, where that is only one. */
function columnIn({ shape, rows }: Refused, message: string): string | undefined {
  const [row] = rows;
  if (rows.length !== 1 || row === undefined) return undefined;
  const found = shape.columns.filter((c) => {
    const value = row.fields[c.name];
    const text = typeof value === "string" ? value : JSON.stringify(value);
    return text !== undefined && text !== "" && message.includes(`"${text}"`);
  });
  return found.length === 1 ? found[0]?.name : undefined;
}
