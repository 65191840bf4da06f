import type { ConnectorContext } from "../connector.ts";
import { messageOf } from "../../../errors.ts";
import { untilReached as untilReachedAny } from "../until-reached.ts";
import type { KafkaConnectionConfig } from "./config.ts";
import { openConnection, type Connection } from "./connection.ts";
import { ErrorCode, errorWithRight } from "./error-codes.ts";
import { fetchMetadata, knowsTopicIds, type Metadata } from "./metadata-call.ts";
import { authenticate } from "./sasl.ts";
import { readSecurity, type Credentials } from "./security.ts";

/** How a connector reaches its cluster: bootstrap, metadata, one connection per broker and purpose, back-off. */
export interface Cluster {
  /** Asks any broker; an error of a wanted topic is an error of the call. */
  metadata(topics: readonly string[]): Promise<Metadata>;
  /** An open connection to this address; connections of different purposes do not wait for each other. */
  connection(address: string, purpose: string): Promise<Connection>;
  /** Any broker, for calls that every broker answers. */
  any(purpose: string): Promise<Connection>;
  /** Ends the connection so that the next use opens a new one. */
  drop(address: string, purpose: string): void;
  close(): void;
}

const CLIENT_ID = "weir";
/** Over TCP and TLS. */
const CONNECT_MS = 10_000;
/** Longer than any wait that Weir asks a broker for. */
const SILENCE_MS = 30_000;
/** A login is renewed, by a new connection, when this much of its life is over. */
const LOGIN_SHARE = 0.8;

/** How often readers and writers look for partitions that were added. */
export const REFRESH_MS = 30_000;

export function openCluster(config: KafkaConnectionConfig, ctx: ConnectorContext): Cluster {
  const { brokers } = config;
  const ending = new AbortController();
  const options = {
    clientId: CLIENT_ID,
    connectMs: CONNECT_MS,
    silenceMs: SILENCE_MS,
    signal: AbortSignal.any([ctx.signal, ending.signal]),
  };
  const dial = async (address: string): Promise<Dialled> => {
    const [host, port] = splitAddress(address);
    const { tls, sasl } = readSecurity(config, ctx);
    const opened = await openConnection(host, port, { ...options, tls });
    const lifetimeMs = sasl === undefined ? 0 : await logIn(opened, sasl);
    return { opened, until: lifetimeMs === 0 ? Infinity : ctx.clock.now() + lifetimeMs * LOGIN_SHARE };
  };
  const open = new Map<string, Promise<Dialled>>();
  const topicIds = new WeakMap<Connection, boolean>();
  let known: readonly string[] = brokers;
  let turn = 0;

  const connection = async (address: string, purpose: string): Promise<Connection> => {
    const name = `${purpose}@${address}`;
    const existing = open.get(name);
    if (existing !== undefined) {
      const { opened, until } = await existing;
      if (opened.open && ctx.clock.now() < until) return opened;
      opened.retire();
    }
    if (open.get(name) === existing) {
      const opening = dial(address);
      open.set(name, opening);
      opening.catch(() => open.get(name) === opening && open.delete(name));
    }
    const latest = open.get(name);
    return latest === undefined ? await connection(address, purpose) : (await latest).opened;
  };
  const any = async (purpose: string): Promise<Connection> => {
    const candidates = [...new Set([...known, ...brokers])];
    const failures: string[] = [];
    for (let i = 0; i < candidates.length; i++) {
      const address = candidates[(turn + i) % candidates.length] as string;
      try {
        const found = await connection(address, purpose);
        turn = (turn + i) % candidates.length;
        return found;
      } catch (error) {
        failures.push(messageOf(error));
      }
    }
    throw new Error([...new Set(failures)].join("; "));
  };
  return {
    connection,
    any,
    metadata: async (topics) => {
      const control = await any("control");
      // While brokers are being upgraded, one may know what another does not: asked for each, once.
      const ids = topicIds.get(control) ?? (await knowsTopicIds(control));
      topicIds.set(control, ids);
      const found = await fetchMetadata(control, topics, { ids });
      if (found.brokers.size > 0) known = [...found.brokers.values()];
      for (const [name, topic] of found.topics) refuseBroken(name, topic.error);
      return found;
    },
    drop: (address, purpose) => {
      const name = `${purpose}@${address}`;
      const found = open.get(name);
      open.delete(name);
      found?.then(
        ({ opened }) => opened.close(),
        () => undefined,
      );
    },
    close: () => ending.abort(),
  };
}

interface Dialled {
  readonly opened: Connection;
  /** When its login must be renewed. */
  readonly until: number;
}

async function logIn(connection: Connection, credentials: Credentials): Promise<number> {
  try {
    return await authenticate(connection, credentials);
  } catch (error) {
    connection.close();
    throw error;
  }
}

function splitAddress(address: string): [string, number] {
  const colon = address.lastIndexOf(":");
  return [address.slice(0, colon).replace(/^\[|\]$/g, ""), Number(address.slice(colon + 1))];
}

function refuseBroken(topic: string, error: number): void {
  if (error === ErrorCode.None || error === ErrorCode.LeaderNotAvailable) return;
  if (error === ErrorCode.UnknownTopicOrPartition) {
    throw new Error(`topic "${topic}" does not exist; create it (Weir never creates the topics of a job)`);
  }
  throw new Error(`topic "${topic}" cannot be used: ${errorWithRight(error, `Describe on topic ${topic}`)}`);
}

export const untilReached = <T>(
  ctx: ConnectorContext,
  code: "SOURCE_UNREACHABLE" | "SINK_UNREACHABLE",
  attempt: () => Promise<T>,
): Promise<T> => untilReachedAny(ctx, { code, system: "Kafka" }, attempt);
