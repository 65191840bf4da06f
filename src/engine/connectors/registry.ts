import { WeirError } from "../../errors.ts";
import type { LookupFactory } from "../lookups/lookup-backend.ts";
import type { SinkFactory, SourceFactory } from "./connector.ts";

/** Connectors by the name that plans use. Each is loaded when a plan needs it: a worker's start pays for no other. */
export interface ConnectorRegistry {
  source(name: string): Promise<SourceFactory>;
  sink(name: string): Promise<SinkFactory>;
  lookup(name: string): Promise<LookupFactory>;
}

/** Not for users: plans get it where keys go from worker to worker. */
const INTERNAL = "exchange";

const sources: Readonly<Record<string, () => Promise<SourceFactory>>> = {
  datagen: async () => (await import("./datagen/source.ts")).datagenSource,
  exchange: async () => (await import("./exchange/source.ts")).exchangeSource,
  file: async () => (await import("./file/source.ts")).fileSource,
  kafka: async () => (await import("./kafka/source.ts")).kafkaSource,
};

const sinks: Readonly<Record<string, () => Promise<SinkFactory>>> = {
  blackhole: async () => (await import("./blackhole/sink.ts")).blackholeSink,
  exchange: async () => (await import("./exchange/sink.ts")).exchangeSink,
  file: async () => (await import("./file/sink.ts")).fileSink,
  kafka: async () => (await import("./kafka/sink.ts")).kafkaSink,
  mysql: async () => (await import("./mysql/sink.ts")).mysqlSink,
  postgres: async () => (await import("./postgres/sink.ts")).postgresSink,
  s3: async () => (await import("./s3/sink.ts")).s3Sink,
  stdout: async () => (await import("./stdout/sink.ts")).stdoutSink,
};

const lookups: Readonly<Record<string, () => Promise<LookupFactory>>> = {
  http: async () => (await import("./http/lookup.ts")).httpLookup,
  mysql: async () => (await import("./mysql/lookup.ts")).mysqlLookup,
  postgres: async () => (await import("./postgres/lookup.ts")).postgresLookup,
  redis: async () => (await import("./redis/lookup.ts")).redisLookup,
};

export const builtInConnectors: ConnectorRegistry = {
  source: (name) => load("source", sources, name),
  sink: (name) => load("sink", sinks, name),
  lookup: (name) => load("lookup", lookups, name),
};

async function load<T>(what: string, known: Readonly<Record<string, () => Promise<T>>>, name: string): Promise<T> {
  const factory = Object.hasOwn(known, name) ? known[name] : undefined;
  if (factory === undefined) {
    const names = Object.keys(known)
      .filter((each) => each !== INTERNAL)
      .join(", ");
    throw new WeirError("SPEC_NOT_IMPLEMENTED", `this worker has no ${what} connector "${name}"; it has ${names}`);
  }
  return await factory();
}
