import { lastOfEachKey, type Shape, type SqlRow } from "./rows.ts";
import { RowRefused, type SqlSession } from "./session.ts";

export interface ShapedRow {
  readonly row: SqlRow;
  readonly shape: Shape;
}

export interface WriteOptions {
  /** Guards each statement by a savepoint, so that a transaction outlives a row that is refused. */
  readonly savepoints: boolean;
  /** Takes a row that the database refuses; may throw. Without it, RowRefused gets out: the transaction is over then. */
  readonly refuse?: (row: SqlRow, why: RowRefused) => void;
}

/** Writes rows in order, in few statements. A statement that is refused is halved until the row is found. */
export async function writeRows(session: SqlSession, rows: readonly ShapedRow[], options: WriteOptions): Promise<void> {
  for (const run of runsOf(rows)) {
    const [first] = run;
    if (first === undefined) continue;
    const { shape } = first;
    const last = lastOfEachKey(
      run.map((r) => r.row),
      shape.keyColumns,
    );
    for (const part of session.statements(shape, last)) await writeRun(session, shape, part, options);
  }
}

/** Neighbours of one shape. */
function runsOf(rows: readonly ShapedRow[]): ShapedRow[][] {
  const runs: ShapedRow[][] = [];
  for (const row of rows) {
    const run = runs.at(-1);
    if (run?.[0]?.shape === row.shape) run.push(row);
    else runs.push([row]);
  }
  return runs;
}

async function writeRun(
  session: SqlSession,
  shape: Shape,
  rows: readonly SqlRow[],
  options: WriteOptions,
): Promise<void> {
  try {
    await guarded(session, options.savepoints, () => session.write(shape, rows));
  } catch (e) {
    if (!(e instanceof RowRefused) || options.refuse === undefined) throw e;
    const [only] = rows;
    if (rows.length === 1 && only !== undefined) {
      options.refuse(only, e);
      return;
    }
    const half = rows.length >> 1;
    await writeRun(session, shape, rows.slice(0, half), options);
    await writeRun(session, shape, rows.slice(half), options);
  }
}

async function guarded(session: SqlSession, savepoint: boolean, work: () => Promise<void>): Promise<void> {
  if (!savepoint) {
    await work();
    return;
  }
  await session.query("SAVEPOINT weir");
  try {
    await work();
  } catch (e) {
    if (e instanceof RowRefused) await session.query("ROLLBACK TO SAVEPOINT weir");
    throw e;
  }
  await session.query("RELEASE SAVEPOINT weir");
}
