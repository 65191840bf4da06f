import { isIP } from "node:net";
import { createHash } from "node:crypto";
import { createConnection } from "mysql2/promise";
import type { Connection, ResultSetHeader, RowDataPacket } from "mysql2/promise";
import type { ConnectorContext } from "../connector.ts";
import { WeirError } from "../../../errors.ts";
import { readTls, refusedLogin } from "../credentials.ts";
import { CONNECT_MS, endOrDestroy, inTime, loginOf, untilSeized } from "../sql/driver.ts";
import type { Shape, SqlRow } from "../sql/rows.ts";
import { qualified, RowRefused, tableNameOf } from "../sql/session.ts";
import type { Column, Dialect, SqlSession, SqlSinkConfig, TableFacts, TableName } from "../sql/session.ts";
import { writtenParameter } from "./values.ts";

const PORT = 3306;
/** The protocol counts a statement's parameters in 16 bits. */
const PARAMETERS = 65_535;
/** Rows of one statement; powers of two below it are all that is ever prepared. */
const ROWS = 256;

export const quote = (identifier: string): string => `\`${identifier.replaceAll("`", "``")}\``;

export const mysql: Dialect = {
  system: "MySQL",
  quote,
  insertIgnore: (table, columns, values) => `INSERT IGNORE INTO ${table} (${columns}) VALUES (${values})`,
  connect: async (config, ctx, { idleMs, statementMs }) => {
    const connection = await createConnection({
      host: config.host,
      port: config.port ?? PORT,
      database: config.database,
      ...loginOf(config, ctx),
      ...(config.tls === undefined ? {} : { ssl: tlsOf(config, ctx) }),
      connectTimeout: CONNECT_MS,
      enableKeepAlive: true,
      charset: "utf8mb4",
      supportBigNumbers: true,
    }).catch((e: unknown) => {
      throw isBadLogin(e) ? refusedLogin(e, config.secretRef) : e;
    });
    const session = sessionOf(connection, config, ctx.signal);
    try {
      // A row that does not fit is an error instead of another row; a worker that is gone leaves no locks behind.
      const settings = `SET SESSION sql_mode = CONCAT(@@sql_mode, ',STRICT_ALL_TABLES'), time_zone = '+00:00', autocommit = 1,
          wait_timeout = ${Math.ceil(idleMs / 1000)}`;
      await inTime(connection.query(settings), CONNECT_MS);
      await inTime(connection.query("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED"), CONNECT_MS);
      if (statementMs !== undefined) await inTime(connection.query(shorter(statementMs)), CONNECT_MS);
      return session;
    } catch (e) {
      await session.close();
      throw e;
    }
  },
};

/** What is set for the server stays where it is less. Only MariaDB reads the comment, and ends any statement: MySQL ends waits. */
function shorter(statementMs: number): string {
  const seconds = Math.max(1, Math.floor(statementMs / 1000));
  return `SET SESSION lock_wait_timeout = LEAST(@@lock_wait_timeout, ${seconds}),
    innodb_lock_wait_timeout = LEAST(@@innodb_lock_wait_timeout, ${seconds})
    /*M!, max_statement_time = IF(@@max_statement_time > 0, LEAST(@@max_statement_time, ${seconds}), ${seconds}) */`;
}

const isBadLogin = (e: unknown): boolean => e instanceof Error && "code" in e && e.code === "ER_ACCESS_DENIED_ERROR";

/** The driver compares a certificate with a name only: of a server that is known by its address it would take another's. */
function tlsOf({ tls = {}, host }: SqlSinkConfig, ctx: ConnectorContext): object {
  const { insecureSkipVerify = false } = tls;
  if (isIP(host) !== 0 && !insecureSkipVerify) {
    const text = `MySQL at ${host}: with tls the connection's host must be a name that is in the server's certificate, not an address`;
    throw new WeirError("SINK_REFUSED", text);
  }
  return { ...readTls(tls, ctx), verifyIdentity: !insecureSkipVerify };
}

function sessionOf(connection: Connection, { table }: SqlSinkConfig, signal: AbortSignal): SqlSession {
  const target = qualified(mysql, tableNameOf(table));
  let lost = false;
  connection.on("error", () => (lost = true));
  connection.on("end", () => (lost = true));

  const query: SqlSession["query"] = async (text, parameters = []) => {
    try {
      const [result] =
        parameters.length === 0
          ? await connection.query<RowDataPacket[] | ResultSetHeader>(text)
          : await connection.execute<RowDataPacket[] | ResultSetHeader>(text, [...parameters]);
      return Array.isArray(result) ? { rows: result, changed: 0 } : { rows: [], changed: result.affectedRows };
    } catch (e) {
      if (isFatal(e)) lost = true;
      throw e;
    }
  };
  return {
    query,
    describe: (name) => describe(query, name),
    statements: inStatements,
    write: async (shape, rows) => {
      const values = rows.flatMap((row) => shape.columns.map((c) => writtenParameter(plain(row.fields[c.name]), c)));
      try {
        await connection.execute(statementOf(target, shape, rows.length), values);
      } catch (e) {
        if (isFatal(e)) lost = true;
        throw refusalOf(e) ?? e;
      }
    },
    seize: async (name) => {
      const key = `weir${createHash("sha256").update(name).digest("hex").slice(0, 56)}`;
      const held = "an older worker's connection is still open and does not end; end it with KILL";
      await untilSeized(signal, held, async () => {
        const { rows } = await query("SELECT GET_LOCK(?, 0) AS mine, IS_USED_LOCK(?) AS holder", [key, key]);
        if (Number(rows[0]?.["mine"]) === 1) return true;
        const holder = Number(rows[0]?.["holder"]);
        // It may have ended by itself meanwhile.
        if (holder > 0) await query(`KILL ${holder}`).catch((e: unknown) => refuseDenied(e));
        return false;
      });
    },
    get lost() {
      return lost;
    },
    close: async () => {
      lost = true;
      await endOrDestroy(
        () => connection.end(),
        () => connection.destroy(),
      );
    },
  };
}

function refuseDenied(e: unknown): void {
  if (e instanceof Error && "errno" in e && e.errno === 1095) throw e;
}

function* inStatements({ columns }: Shape, rows: readonly SqlRow[]): Generator<readonly SqlRow[]> {
  const most = Math.min(ROWS, 2 ** Math.floor(Math.log2(PARAMETERS / Math.max(1, columns.length))));
  for (let from = 0; from < rows.length;) {
    const size = Math.min(most, 2 ** Math.floor(Math.log2(rows.length - from)));
    yield rows.slice(from, from + size);
    from += size;
  }
}

function statementOf(target: string, { columns, keyColumns }: Shape, rows: number): string {
  const names = columns.map((c) => quote(c.name));
  const row = `(${names.map(() => "?").join(", ")})`;
  const insert = `INSERT INTO ${target} (${names.join(", ")}) VALUES ${Array.from({ length: rows }, () => row).join(", ")}`;
  if (keyColumns.length === 0) return insert;
  const others = columns.filter((c) => !keyColumns.includes(c.name)).map((c) => quote(c.name));
  // A key that is set to itself changes nothing: the row is there already. IGNORE would hide what does not fit.
  const changed = others.length === 0 ? keyColumns.slice(0, 1).map(quote) : others;
  return `${insert} ON DUPLICATE KEY UPDATE ${changed.map((c) => `${c} = VALUES(${c})`).join(", ")}`;
}

/** A number that was kept as it was written, because a double does not hold it. */
function plain(value: unknown): unknown {
  if (typeof value !== "object" || value === null || !("rawJSON" in value)) return value;
  return String(value.rawJSON);
}

async function describe(query: SqlSession["query"], { schema, name }: TableName): Promise<TableFacts | undefined> {
  const where = `table_schema = COALESCE(?, DATABASE()) AND table_name = ?`;
  const values = [schema ?? null, name] as unknown as string[];
  const columns = await query(
    `SELECT column_name AS name, data_type AS type, is_nullable AS nullable, column_default AS initial, extra
       FROM information_schema.columns WHERE ${where} ORDER BY ordinal_position`,
    values,
  );
  if (columns.rows.length === 0) return undefined;
  const keys = await query(
    `SELECT JSON_ARRAYAGG(column_name) AS columns FROM information_schema.statistics
      WHERE ${where} AND non_unique = 0 GROUP BY index_name`,
    values,
  );
  const engines = await query(`SELECT engine FROM information_schema.tables WHERE ${where}`, values);
  const engine = String(engines.rows[0]?.["engine"]);
  return {
    columns: columns.rows.map((row): Column => {
      const extra = String(row["extra"]).toLowerCase();
      return {
        name: String(row["name"]),
        type: String(row["type"]).toLowerCase(),
        required: row["nullable"] === "NO" && row["initial"] === null && !extra.includes("auto_increment"),
        generated: /(virtual|stored|persistent) ?(generated)?/.test(extra),
      };
    }),
    uniqueKeys: keys.rows.map((row) => namesIn(row["columns"])),
    ...(engine.toLowerCase() === "innodb"
      ? {}
      : { notTransactional: `is kept by ${engine}, which has no transactions; ExactlyOnce needs InnoDB` }),
  };
}

const namesIn = (value: unknown): string[] => (typeof value === "string" ? JSON.parse(value) : value) as string[];

/** Errors of values that have a state of their own class, or the general one. */
const REFUSALS = new Set([1048, 1062, 1136, 1264, 1265, 1292, 1364, 1366, 1406, 1452, 3140, 3819, 4025, 4078]);

function isRefusal(e: unknown): e is Error {
  if (!(e instanceof Error) || !("errno" in e)) return false;
  const { errno, sqlState } = e as Error & { errno: number; sqlState?: string };
  return REFUSALS.has(errno) || /^2[23]/.test(sqlState ?? "");
}

/** Collations that cannot be compared, and values of times that are none: a key that no row of the column can have. */
const KEY_REFUSALS = new Set([1267, 1270, 1271, 1525]);

export const isKeyRefusal = (e: unknown): boolean =>
  isRefusal(e) || (e instanceof Error && "errno" in e && KEY_REFUSALS.has(e.errno as number));

function refusalOf(e: unknown): RowRefused | undefined {
  if (!isRefusal(e)) return undefined;
  const column = /[Cc]olumn '([^']*)'|for column (?:`[^`]*`\.)*`([^`]*)`|[Ff]ield '([^']*)'/.exec(e.message);
  return new RowRefused(
    e.message,
    column?.slice(1).find((name) => name !== undefined),
    e,
  );
}

const isFatal = (e: unknown): boolean => e instanceof Error && "fatal" in e && e.fatal === true;
