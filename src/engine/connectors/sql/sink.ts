import { parseDuration } from "../../../api/duration.ts";
import { parseQuantity } from "../../../api/quantity.ts";
import type { OutRecord, SinkContext, SinkWriter } from "../connector.ts";
import { openLink } from "./link.ts";
import { openMarkers } from "./markers.ts";
import { refusals } from "./refusals.ts";
import type { Dialect, SqlSinkConfig } from "./session.ts";
import { transactions } from "./transactions.ts";
import type { Incoming, RowStore } from "./transactions.ts";

/** What a writer may hold before the runtime must stop reading. */
const HELD_BYTES = 8 * 1024 * 1024;
const BATCH_RECORDS = 1_000;
const BATCH_BYTES = 1024 * 1024;
const LINGER_MS = 50;

/** The sink of a database, once its dialect is given. */
export async function openSqlSink(dialect: Dialect, config: SqlSinkConfig, context: SinkContext): Promise<SinkWriter> {
  const closing = new AbortController();
  const ctx = { ...context, signal: AbortSignal.any([context.signal, closing.signal]) };
  const markers = ctx.delivery === "ExactlyOnce" ? openMarkers(dialect, config.table, ctx) : undefined;
  const link = openLink(dialect, config, { ctx, markers });
  const refused = refusals(dialect.system, config.table, ctx);
  const store = transactions({ system: dialect.system, link, markers, refused, ctx });
  try {
    await link.use(() => Promise.resolve());
  } catch (e) {
    closing.abort();
    throw e;
  }
  const close = async (): Promise<void> => {
    closing.abort();
    await link.drop();
  };
  return writer(store, { limits: limitsOf(config), refused: () => refused.count, close });
}

interface Limits {
  readonly records: number;
  readonly bytes: number;
  readonly lingerMs: number;
}

function limitsOf({ batching = {} }: SqlSinkConfig): Limits {
  const { count, bytes, interval } = batching;
  return {
    records: count ?? BATCH_RECORDS,
    bytes: bytes === undefined ? BATCH_BYTES : parseQuantity(bytes),
    lingerMs: interval === undefined ? LINGER_MS : parseDuration(interval),
  };
}

interface WriterParts {
  readonly limits: Limits;
  readonly refused: () => number;
  readonly close: () => Promise<void>;
}

function writer(store: RowStore, { limits, refused, close }: WriterParts): SinkWriter {
  const total = { records: 0, bytes: 0 };
  let collecting: Incoming[] = [];
  let collected = 0;
  let held = 0;
  let wake = (): void => {};
  let writing: Promise<void> = Promise.resolve();
  let failure: Error | undefined;
  let timer: NodeJS.Timeout | undefined;
  /** Its rows are complete: what comes now belongs to the next checkpoint, and waits until this one is committed. */
  let prepared: number | undefined;

  const write = (): void => {
    clearTimeout(timer);
    timer = undefined;
    if (collecting.length === 0) return;
    const [batch, bytes] = [collecting, collected];
    [collecting, collected] = [[], 0];
    writing = writing.then(async () => {
      try {
        if (failure === undefined) await store.write(batch);
      } catch (e) {
        failure = e as Error;
      }
      held -= bytes;
      wake();
    });
  };
  const writeWhenDue = (): void => {
    if (prepared !== undefined) return;
    if (collecting.length >= limits.records || collected >= limits.bytes) write();
    else if (collecting.length > 0) timer ??= setTimeout(() => prepared === undefined && write(), limits.lingerMs);
  };
  const throwFailure = (): void => {
    if (failure !== undefined) throw failure;
  };

  return {
    append: (record: OutRecord) => {
      const { value, start, end } = record;
      const size = Math.max(0, end - start);
      collecting.push({ text: end < start ? undefined : value.toString("utf8", start, end), number: total.records++ });
      total.bytes += size;
      collected += size;
      held += size;
      writeWhenDue();
    },
    saturated: () => held > HELD_BYTES && failure === undefined,
    onDrain: (fn) => {
      wake = fn;
    },
    flush: async () => {
      // A checkpoint that was prepared and not committed has failed: its rows belong to the next one.
      prepared = undefined;
      write();
      await writing;
      throwFailure();
    },
    counters: () => ({ ...total, refused: refused() }),
    close: async () => {
      clearTimeout(timer);
      await close();
    },
    ...(store.commit === undefined
      ? {}
      : {
          committed: store.committed,
          forgetEarlierEpochs: store.forgetEarlierEpochs,
          prepare: (checkpoint: number) => {
            prepared = checkpoint;
            return Promise.resolve({ marker: checkpoint });
          },
          commit: async (checkpoint: number) => {
            throwFailure();
            await store.commit?.(checkpoint);
            prepared = undefined;
            writeWhenDue();
          },
        }),
  };
}
