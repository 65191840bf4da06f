import type { Found } from "../../lookups/lookup-backend.ts";
import { rowsByKey, sqlLookup, withoutRefused } from "../sql/lookup.ts";
import type { LookedIn } from "../sql/lookup.ts";
import type { Column } from "../sql/session.ts";
import { isKeyRefusal, mysql, quote } from "./session.ts";
import { parameterOf } from "./values.ts";

/** Keys of one statement; powers of two up to it are all that is ever prepared. */
const KEYS = 64;
const NUMBERS = /^(tinyint|smallint|mediumint|int|bigint|decimal|float|double|year|bit)$/;

/**
 * JSON is made a text at once, because the driver would parse it and lose digits. One SELECT for each key, as one statement: a parameter that is compared with a column is made a value of its type, so
 * that an index serves, which it would not for a join with a list.
 */
async function find(at: LookedIn, keys: readonly (readonly unknown[])[]): Promise<readonly Found[]> {
  try {
    return await findAll(at, keys);
  } catch (e) {
    return await withoutRefused(e, { keys, find: (some) => find(at, some), isRefusal: isKeyRefusal });
  }
}

async function findAll(at: LookedIn, keys: readonly (readonly unknown[])[]): Promise<readonly Found[]> {
  const { session, table, columns, keyColumns } = at;
  const fields = columns.map(({ name }) => `${literal(name)}, t.${quote(name)}`).join(", ");
  const equal = keyColumns.map(({ name }) => `t.${quote(name)} = ?`).join(" AND ");
  const one = `SELECT CAST(? AS SIGNED) AS n, CAST(JSON_OBJECT(${fields}) AS CHAR) AS row_json FROM ${table} AS t WHERE ${equal}`;
  const asked = keys.flatMap((key, n) => {
    const values = keyColumns.map((column, i) => valueOf(key[i], column));
    return values.every((v) => v !== undefined) ? [{ n, values }] : [];
  });
  const rows: { n: unknown; row: unknown }[] = [];
  for (let from = 0; from < asked.length;) {
    const size = 2 ** Math.floor(Math.log2(asked.length - from));
    const part = asked.slice(from, from + size);
    from += size;
    const text = part.map(() => one).join(" UNION ALL ");
    const found = await session.query(
      text,
      part.flatMap(({ n, values }) => [n, ...values]),
    );
    for (const { n, row_json: row } of found.rows) rows.push({ n, row });
  }
  return rowsByKey(rows, keys.length);
}

/** MySQL takes a text that is no number for 0: such a key has no row. */
function valueOf(key: unknown, column: Column): string | undefined {
  const value = parameterOf(key, column);
  if (value === null) return undefined;
  return NUMBERS.test(column.type) && (value.trim() === "" || Number.isNaN(Number(value))) ? undefined : value;
}

const literal = (text: string): string => `'${text.replaceAll("\\", "\\\\").replaceAll("'", "''")}'`;

export const mysqlLookup = sqlLookup({ dialect: mysql, batch: KEYS, find });
