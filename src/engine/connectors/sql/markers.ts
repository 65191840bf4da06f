import { messageOf, WeirError } from "../../../errors.ts";
import type { SinkContext, Writing } from "../connector.ts";
import { qualified, tableNameOf, type Dialect, type SqlSession } from "./session.ts";

/**
 * The table of markers: for each lineage, epoch and slot the attempt that may write, and the last checkpoint whose rows it
 * committed. The marker changes in the transaction of the rows, so it says which checkpoint counts; and it changes only for
 * the attempt that it names while no newer epoch has closed it, so that a worker that was replaced commits nothing.
 */
export interface Markers {
  /** Shuts out whoever else writes as `of`, and gives the checkpoint that was committed last. See SinkWriter.committed. */
  claim(session: SqlSession, of: Writing, marked: number | undefined): Promise<number | undefined>;
  /** Inside of the rows' transaction; false where this worker was replaced. */
  mark(session: SqlSession, checkpoint: number): Promise<boolean>;
  /** Outside of a transaction: removes the markers of earlier epochs. */
  forget(session: SqlSession): Promise<void>;
  /** Makes this connection the one that writes as this worker; false where the worker was replaced. */
  seize(session: SqlSession): Promise<boolean>;
}

/** The row that claims of a lineage take turns by. */
const TURN = { epoch: -1, slot: -1 };

export function openMarkers(dialect: Dialect, table: string, ctx: SinkContext): Markers {
  const name = qualified(dialect, { ...tableNameOf(table), name: "weir_markers" });
  const { lineage, attempt } = ctx;
  const own = { epoch: ctx.epoch, slot: ctx.slot };
  const ROW = "lineage = ? AND epoch = ? AND slot = ?";

  const insert = (session: SqlSession, of: Writing, values: readonly number[]): Promise<unknown> =>
    session.query(dialect.insertIgnore(name, "lineage, epoch, slot, attempt, closed, committed", "?, ?, ?, ?, ?, ?"), [
      lineage,
      of.epoch,
      of.slot,
      ...values,
    ]);
  const read = async (session: SqlSession, of: Writing, lock = ""): Promise<Marker | undefined> => {
    const text = `SELECT attempt, closed, committed FROM ${name} WHERE ${ROW}${lock}`;
    const { rows } = await session.query(text, [lineage, of.epoch, of.slot]);
    const [row] = rows;
    if (row === undefined) return undefined;
    return {
      attempt: Number(row["attempt"]),
      closed: Number(row["closed"]) !== 0,
      committed: Number(row["committed"]),
    };
  };
  const isReplaced = async (session: SqlSession): Promise<boolean> => {
    const marker = await read(session, own);
    if (marker !== undefined && (marker.closed || marker.attempt > attempt)) return true;
    const newer = await session.query(`SELECT epoch FROM ${name} WHERE lineage = ? AND epoch > ? LIMIT 1`, [
      lineage,
      own.epoch,
    ]);
    return newer.rows.length > 0;
  };
  const lockOf = ({ epoch, slot }: Writing): string => `weir/${lineage}/${epoch}/${slot}`;

  /** In a transaction. */
  const claimRow = async (session: SqlSession, of: Writing, marked: number | undefined) => {
    const mine = of.epoch === own.epoch && of.slot === own.slot;
    const found = await read(session, of, " FOR UPDATE");
    if (found === undefined) {
      if (marked === undefined) return undefined;
      await insert(session, of, mine ? [attempt, 0, marked] : [0, 1, marked]);
      return marked;
    }
    const change = mine ? "attempt = ?" : "closed = ?";
    const values = [mine ? attempt : 1, lineage, of.epoch, of.slot];
    await session.query(`UPDATE ${name} SET ${change} WHERE ${ROW}`, values);
    return found.committed;
  };

  return {
    claim: async (session, of, marked) => {
      await ensureTable(session, name);
      if (await isReplaced(session)) throw replaced(ctx);
      // What it left open is rolled back now; else its locks would hold up whoever writes the same keys.
      await session.seize(lockOf(of));
      await session.query("BEGIN");
      try {
        await insert(session, TURN, [0, 0, 0]);
        await read(session, TURN, " FOR UPDATE");
        if (await isReplaced(session)) throw replaced(ctx);
        const committed = await claimRow(session, of, marked);
        await session.query("COMMIT");
        return committed;
      } catch (e) {
        await session.query("ROLLBACK").catch(() => undefined);
        throw e;
      }
    },
    mark: async (session, checkpoint) => {
      const { changed } = await session.query(
        `UPDATE ${name} SET committed = ? WHERE ${ROW} AND attempt = ? AND closed = 0`,
        [checkpoint, lineage, own.epoch, own.slot, attempt],
      );
      return changed === 1;
    },
    forget: async (session) => {
      // The row by which claims take turns stays, and those of this epoch say to an earlier one that it was replaced.
      await session.query(`DELETE FROM ${name} WHERE lineage = ? AND epoch >= 0 AND epoch < ?`, [lineage, own.epoch]);
    },
    seize: async (session) => {
      if (await isReplaced(session)) return false;
      await session.seize(lockOf(own));
      return true;
    },
  };
}

interface Marker {
  readonly attempt: number;
  readonly closed: boolean;
  readonly committed: number;
}

export function replaced({ epoch, slot, attempt }: SinkContext): WeirError {
  return new WeirError(
    "WORKER_REFUSED",
    `a newer worker writes as slot ${slot}: this one, of epoch ${epoch} and attempt ${attempt}, was replaced and must not go on`,
  );
}

/** Also what its user may have to run. */
const columns = `(
  lineage varchar(128) NOT NULL, epoch bigint NOT NULL, slot int NOT NULL,
  attempt bigint NOT NULL, closed smallint NOT NULL, committed bigint NOT NULL,
  PRIMARY KEY (lineage, epoch, slot))`;

async function ensureTable(session: SqlSession, name: string): Promise<void> {
  const there = (): Promise<unknown> => session.query(`SELECT lineage FROM ${name} WHERE lineage = ?`, [""]);
  try {
    await there();
    return;
  } catch (e) {
    if (session.lost) throw e;
  }
  try {
    await session.query(`CREATE TABLE IF NOT EXISTS ${name} ${columns}`);
  } catch (e) {
    if (session.lost) throw e;
    // Another worker may have made it meanwhile.
    await there().catch(() => {
      const statement = `CREATE TABLE ${name} ${columns.replaceAll(/\s+/g, " ")}`;
      const rights = "and let the connection's user select, insert, update and delete there";
      throw new Error(`the table of markers cannot be made: ${messageOf(e)}; run: ${statement}; ${rights}`);
    });
  }
}
