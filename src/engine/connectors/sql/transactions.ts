import { messageOf, WeirError } from "../../../errors.ts";
import type { SinkContext, SinkWriter } from "../connector.ts";
import type { Link, Linked } from "./link.ts";
import { replaced, type Markers } from "./markers.ts";
import type { Refusals } from "./refusals.ts";
import { RowRefused, type SqlSession } from "./session.ts";
import { writeRows, type ShapedRow } from "./write-rows.ts";

/** A record as it was appended; without text it is a tombstone. */
export interface Incoming {
  readonly text: string | undefined;
  readonly number: number;
}

/** How rows get into the table, one batch after the other. */
export interface RowStore {
  write(batch: readonly Incoming[]): Promise<void>;
  /** Only where rows are in one transaction per checkpoint. */
  commit?(checkpoint: number): Promise<void>;
  committed?: NonNullable<SinkWriter["committed"]>;
  /** After the next commit. */
  forgetEarlierEpochs?(): void;
}

export interface StoreParts {
  readonly system: string;
  readonly link: Link;
  /** Absent for at least once. */
  readonly markers: Markers | undefined;
  readonly refused: Refusals;
  readonly ctx: SinkContext;
}

export function transactions(parts: StoreParts): RowStore {
  return parts.markers === undefined ? statementByStatement(parts) : oneForEachCheckpoint(parts, parts.markers);
}

/** At least once: each statement stands on its own, and is repeated until the database has taken it. */
function statementByStatement({ link, refused }: StoreParts): RowStore {
  return {
    write: (batch) =>
      link.use(async (linked) => {
        const rows = shaped(batch, linked, refused);
        await writeRows(linked.session, rows, { savepoints: false, refuse: refused.take });
      }),
  };
}

/**
 * Exactly once: rows go into an open transaction as they come, and the marker with them at the commit. What the database
 * loses of an open transaction only a restore brings back.
 */
function oneForEachCheckpoint({ system, link, refused, ctx }: StoreParts, markers: Markers): RowStore {
  let hasRows = false;
  let forgetting = false;

  const lost = (what: string, cause?: unknown): WeirError => {
    // The problem of a moment ago would make this look like one that passes by itself.
    ctx.report(undefined);
    const why = cause === undefined ? "the connection was lost" : messageOf(cause);
    return new WeirError("TRANSACTION_LOST", `${system} ${what}: ${why}`, { cause });
  };
  const begun = async <T>(what: string, work: (linked: Linked) => Promise<T>): Promise<T> => {
    const { current } = link;
    if (current === undefined) throw lost(what);
    try {
      return await work(current);
    } catch (e) {
      if (e instanceof WeirError) throw e;
      throw lost(what, e);
    }
  };
  /** While nothing is in it, a transaction can be begun again on another connection. */
  const begin = <T>(work: (linked: Linked) => Promise<T>): Promise<T> =>
    link.use(async (linked) => {
      await linked.session.query("BEGIN");
      return await work(linked);
    });
  const write = async (linked: Linked, batch: readonly Incoming[]): Promise<void> => {
    const rows = shaped(batch, linked, refused);
    try {
      await writeRows(
        linked.session,
        rows,
        refused.skips ? { savepoints: true, refuse: refused.take } : { savepoints: false },
      );
    } catch (e) {
      if (e instanceof RowRefused) await findRefused(linked.session, rows, refused, e);
      throw e;
    }
  };
  const finish = async ({ session }: Linked, checkpoint: number): Promise<void> => {
    if (!(await markers.mark(session, checkpoint))) {
      await session.query("ROLLBACK");
      throw replaced(ctx);
    }
    await session.query("COMMIT");
  };

  /** Between two transactions: a right that is missing must end none. */
  const forget = async (): Promise<void> => {
    forgetting = false;
    const { session } = link.current ?? {};
    if (session === undefined) return;
    await markers
      .forget(session)
      .catch((e: unknown) => ctx.warn?.(`old rows of weir_markers stay: ${messageOf(e)}; they do no harm`));
  };

  return {
    write: async (batch) => {
      if (hasRows) await begun("lost rows of an open transaction", (linked) => write(linked, batch));
      else await begin((linked) => write(linked, batch));
      hasRows = true;
    },
    commit: async (checkpoint) => {
      const what = "did not say whether it has committed, which its marker will tell";
      if (hasRows) await begun(what, (linked) => finish(linked, checkpoint));
      else await begin((linked) => finish(linked, checkpoint));
      hasRows = false;
      if (forgetting) await forget();
    },
    forgetEarlierEpochs: () => {
      forgetting = true;
    },
    committed: (of, marked) => link.use(({ session }) => markers.claim(session, of, marked)),
  };
}

/** Parses, and leaves out what fits no row of the table. */
function shaped(batch: readonly Incoming[], { target }: Linked, refused: Refusals): ShapedRow[] {
  const rows: ShapedRow[] = [];
  for (const { text, number } of batch) {
    try {
      rows.push(target.row(text, number));
    } catch (e) {
      if (!(e instanceof RowRefused)) throw e;
      refused.take({ text, number }, e);
    }
  }
  return rows;
}

/** The transaction is over; which row it was is found in another that is not kept. */
async function findRefused(
  session: SqlSession,
  rows: readonly ShapedRow[],
  refused: Refusals,
  first: RowRefused,
): Promise<never> {
  await session.query("ROLLBACK");
  await session.query("BEGIN");
  try {
    await writeRows(session, rows, { savepoints: true, refuse: refused.take });
  } finally {
    await session.query("ROLLBACK");
  }
  // Refused only together with rows of earlier batches, for example one with the same key.
  throw new WeirError("SINK_REFUSED", `the database does not take the rows: ${first.message}`, { cause: first });
}
