import type { Found } from "../../lookups/lookup-backend.ts";
import { rowsByKey, sqlLookup, withoutRefused } from "../sql/lookup.ts";
import type { LookedIn } from "../sql/lookup.ts";
import { isRefusal, postgres, quote } from "./session.ts";

const KEYS = 256;

/**
 * The keys go as one JSON text, and PostgreSQL makes values of the columns' types of them, as it does for the sink; rows
 * come back as the JSON that it writes, so no digit is lost.
 */
async function find(at: LookedIn, keys: readonly (readonly unknown[])[]): Promise<readonly Found[]> {
  const { session, table, keyColumns } = at;
  const named = keys.map((key) => Object.fromEntries(keyColumns.map(({ name }, i) => [name, key[i]])));
  const equal = keyColumns.map(({ name }) => `t.${quote(name)} = k.${quote(name)}`).join(" AND ");
  try {
    const { rows } = await session.query(
      `SELECT e.n - 1 AS n, CAST(row_to_json(t) AS text) AS row
         FROM json_array_elements(CAST(? AS json)) WITH ORDINALITY AS e(v, n)
        CROSS JOIN LATERAL json_populate_record(NULL::${table}, e.v) AS k JOIN ${table} AS t ON ${equal}`,
      [JSON.stringify(named)],
    );
    return rowsByKey(rows, keys.length);
  } catch (e) {
    return await withoutRefused(e, { keys, find: (some) => find(at, some), isRefusal });
  }
}

export const postgresLookup = sqlLookup({ dialect: postgres, batch: KEYS, find });
