import type { SinkContext } from "../connector.ts";
import { untilReached } from "../until-reached.ts";
import { inTime } from "./driver.ts";
import { replaced, type Markers } from "./markers.ts";
import { targetOf, type Target } from "./rows.ts";
import { tableNameOf, type Dialect, type SqlSession, type SqlSinkConfig } from "./session.ts";

/** A connection whose table has been looked at. */
export interface Linked {
  readonly session: SqlSession;
  readonly target: Target;
}

/** The one connection of a sink, opened anew when it is lost. */
export interface Link {
  /** Repeats the work on a new connection until it is done; only what no repetition mends gets out. */
  use<T>(work: (linked: Linked) => Promise<T>): Promise<T>;
  /** What is open now. */
  readonly current: Linked | undefined;
  drop(): Promise<void>;
}

/** A transaction may be idle for this much longer than it should ever be. */
const IDLE_MARGIN_MS = 60_000;

/** Less would give up what only waits for its turn. */
const LEAST_ANSWER_MS = 10_000;

/** So much before it is given up a statement is ended by the server: given up only, it would wait on for its lock, and write. */
const SERVER_FIRST_MS = 1_000;

export function openLink(
  dialect: Dialect,
  config: SqlSinkConfig,
  { ctx, markers }: { ctx: SinkContext; markers: Markers | undefined },
): Link {
  let current: Linked | undefined;
  let before = false;

  const connect = async (): Promise<Linked> => {
    const answerMs = Math.max(ctx.commitWithinMs, LEAST_ANSWER_MS);
    const limits = { idleMs: ctx.commitWithinMs + IDLE_MARGIN_MS, statementMs: answerMs - SERVER_FIRST_MS };
    const session = answering(await dialect.connect(config, ctx, limits), answerMs);
    try {
      const target = await look(session, config, markers !== undefined);
      // The first connection claims; a later one may only go on with what this worker has.
      if (before && markers !== undefined && !(await markers.seize(session))) throw replaced(ctx);
      before = true;
      return { session, target };
    } catch (e) {
      await session.close();
      throw e;
    }
  };
  const drop = async (): Promise<void> => {
    const { session } = current ?? {};
    current = undefined;
    await session?.close();
  };
  return {
    use: (work) =>
      untilReached(ctx, { code: "SINK_UNREACHABLE", system: dialect.system }, async () => {
        if (current?.session.lost === true) await drop();
        current ??= await connect();
        try {
          return await work(current);
        } catch (e) {
          await drop();
          throw e;
        }
      }),
    get current() {
      return current?.session.lost === true ? undefined : current;
    },
    drop,
  };
}

function answering(session: SqlSession, ms: number): SqlSession {
  return {
    query: (text, parameters) => inTime(session.query(text, parameters), ms),
    describe: (table) => inTime(session.describe(table), ms),
    statements: session.statements,
    write: (shape, rows) => inTime(session.write(shape, rows), ms),
    seize: (name) => inTime(session.seize(name), ms),
    get lost() {
      return session.lost;
    },
    close: session.close,
  };
}

/** What is wrong here may be put right while the job waits: it is looked at again at the next try. */
async function look(session: SqlSession, config: SqlSinkConfig, transactional: boolean): Promise<Target> {
  const { table, database, keyColumns = [] } = config;
  const facts = await session.describe(tableNameOf(table));
  if (facts === undefined) {
    const fix = "create it, or let the connection's user see it (Weir never creates the tables of a job)";
    throw new Error(`database "${database}" has no table "${table}"; ${fix}`);
  }
  const { columns, uniqueKeys, notTransactional } = facts;
  const unknown = keyColumns.find((name) => !columns.some((c) => c.name === name));
  if (unknown !== undefined) throw new Error(`keyColumns names "${unknown}", which table "${table}" does not have`);
  const wanted = keyColumns.toSorted().join("\0");
  if (wanted !== "" && !uniqueKeys.some((key) => key.toSorted().join("\0") === wanted)) {
    const list = keyColumns.join(", ");
    throw new Error(`table "${table}" has no unique index over exactly ${list}, which keyColumns needs; create one`);
  }
  if (transactional && notTransactional !== undefined) throw new Error(`table "${table}" ${notTransactional}`);
  return targetOf(columns, keyColumns);
}
