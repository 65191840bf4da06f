import type { ConnectorContext } from "../connector.ts";
import { pause } from "../until-reached.ts";
import { findCoordinator } from "./calls.ts";
import { untilReached, type Cluster } from "./cluster.ts";
import type { Connection } from "./connection.ts";
import { ErrorCode, errorWithRight } from "./error-codes.ts";

const PURPOSE = "transaction";
/** Markers of the transaction before are being written: a matter of milliseconds. */
const BUSY_MS = 10;
const LONGEST_BUSY_MS = 5_000;
const BUSY: ReadonlySet<number> = new Set([ErrorCode.ConcurrentTransactions, ErrorCode.UnstableOffsetCommit]);

export interface Coordinator {
  /**
   * Asks the broker in charge, whichever that is by now, until it answers with none of the `final` errors or success;
   * says so while it cannot. The call may run more than once: it must be one that can be repeated.
   */
  ask<T extends { readonly error: number }>(call: (connection: Connection) => Promise<T>): Promise<T>;
}

/** Of the calls of transactions. A group's offset is of the sink's topic, which is read in Kafka's eyes. */
function rightOf(
  { key, kind }: { readonly key: string; readonly kind: "group" | "transaction" },
  error: number,
): string {
  if (error === ErrorCode.TopicAuthorizationFailed)
    return kind === "group" ? "Read on the sink's topic" : "Write on the topic";
  return error === ErrorCode.GroupAuthorizationFailed ? `Read on group ${key}` : `Write on transactional id ${key}`;
}

/** Finds the broker that is in charge of a group or a transactional id, and again when that moves. */
export function coordinator(
  cluster: Cluster,
  ctx: ConnectorContext,
  of: { readonly key: string; readonly kind: "group" | "transaction"; readonly final: ReadonlySet<number> },
): Coordinator {
  let address: string | undefined;
  const find = async (): Promise<string> => {
    const found = await findCoordinator(await cluster.any("control"), of.key, of.kind);
    if (found.error !== ErrorCode.None)
      throw new Error(`no coordinator of ${of.key}: ${errorWithRight(found.error, rightOf(of, found.error))}`);
    return found.address;
  };
  const askOnce = async <T>(call: (connection: Connection) => Promise<T>): Promise<T> => {
    const known = (address ??= await find());
    try {
      return await call(await cluster.connection(known, PURPOSE));
    } catch (error) {
      cluster.drop(known, PURPOSE);
      address = undefined;
      throw error;
    }
  };
  return {
    ask: (call) =>
      untilReached(ctx, "SINK_UNREACHABLE", async () => {
        for (let waited = 0; ; waited += BUSY_MS) {
          const answer = await askOnce(call);
          const { error } = answer;
          if (error === ErrorCode.None || of.final.has(error)) return answer;
          if (!BUSY.has(error)) address = undefined;
          if (!BUSY.has(error) || waited >= LONGEST_BUSY_MS)
            throw new Error(`${of.key}: ${errorWithRight(error, rightOf(of, error))}`);
          await pause(BUSY_MS, ctx.signal);
        }
      }),
  };
}
