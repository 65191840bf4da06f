import { WeirError } from "../../../errors.ts";
import type { ConnectorContext } from "../connector.ts";
import { openCluster, untilReached, type Cluster } from "../kafka/cluster.ts";
import type { KafkaConnectionConfig } from "../kafka/config.ts";
import type { Connection } from "../kafka/connection.ts";
import { ErrorCode, errorWithRight, isDenied } from "../kafka/error-codes.ts";
import { fetchMetadata, type Metadata, type TopicMetadata } from "../kafka/metadata-call.ts";
import { createTopic, deleteRecords, deleteTopics } from "../kafka/topic-calls.ts";
import { pause } from "../until-reached.ts";
import type { ExchangeConfig } from "./config.ts";
import { generationOf, type ExchangePlace } from "./topic-name.ts";

/**
 * Checkpoints say what may be deleted, not time or size. Times of records are those of their writing: brokers refuse times
 * far from now. Segments are small because what is before a position goes by whole segments. Records are as large as
 * the largest that sources read, and a little more.
 */
const SETTINGS = {
  "cleanup.policy": "delete",
  "retention.ms": "-1",
  "retention.bytes": "-1",
  "message.timestamp.type": "LogAppendTime",
  "max.message.bytes": `${16 * 1024 * 1024}`,
  "segment.bytes": `${64 * 1024 * 1024}`,
};

/** A new topic is known to all brokers after some ten milliseconds. */
const SPREAD_MS = 10_000;
const LOOK_MS = 25;

const NEVER: ReadonlySet<number> = new Set([
  ErrorCode.TopicAuthorizationFailed,
  ErrorCode.ClusterAuthorizationFailed,
  ErrorCode.InvalidTopic,
  ErrorCode.InvalidPartitions,
  ErrorCode.InvalidReplicationFactor,
  ErrorCode.InvalidConfig,
  ErrorCode.PolicyViolation,
]);

/** Sees to it that the topic is there, whoever makes it, and can be written and read. Tries once. */
export async function ensureExchange(
  cluster: Cluster,
  { topic, partitions }: ExchangeConfig,
  { clock, signal }: ConnectorContext,
): Promise<void> {
  const until = clock.now() + SPREAD_MS;
  let made = false;
  for (;;) {
    const metadata = await fetchMetadata(await cluster.any("control"), [topic], { ids: false });
    const found = metadata.topics.get(topic);
    if (found !== undefined) refuseUnfit(topic, found, partitions);
    if (found?.error === ErrorCode.None && found.partitions.every((p) => metadata.brokers.has(p.leader))) return;
    if (!made && found?.error === ErrorCode.UnknownTopicOrPartition) {
      await make(await controllerOf(cluster, metadata), topic, partitions);
      made = true;
    }
    if (clock.now() > until) throw new Error(`topic "${topic}" has partitions without a leader`);
    await pause(LOOK_MS, signal);
  }
}

function refuseUnfit(topic: string, { error, partitions }: TopicMetadata, wanted: number): void {
  if (isDenied(error)) throw new Error(`topic "${topic}": ${errorWithRight(error, `Describe on topic ${topic}`)}`);
  if (error === ErrorCode.None && partitions.length > 0) refuseOther(topic, partitions.length, wanted);
}

function refuseOther(topic: string, found: number, wanted: number): void {
  if (found === wanted) return;
  throw new WeirError(
    "SPEC_INVALID",
    `topic "${topic}" has ${found} partitions, and the job's workers hand each other records in ${wanted}: somebody ` +
      `else made or changed it; start the job from a savepoint, which makes a new one`,
  );
}

async function make(connection: Connection, topic: string, partitions: number): Promise<void> {
  const { error, message } = await createTopic(connection, { topic, partitions, settings: SETTINGS });
  if (error === ErrorCode.None || error === ErrorCode.TopicAlreadyExists) return;
  const said = errorWithRight(error, `Create on topic ${topic}`);
  const why = `topic "${topic}" cannot be created: ${said}${message === null ? "" : ` (${message})`}`;
  throw NEVER.has(error) ? refused(why) : new Error(why);
}

function refused(why: string): WeirError {
  return new WeirError(
    "SINK_REFUSED",
    `Kafka: ${why}. Workers hand each other records by topics of their own: allow the job's user Create, Describe, ` +
      `Read, Write and Delete on topics that begin with weir.<namespace>.<job>., or run the job with one worker`,
  );
}

async function controllerOf(cluster: Cluster, { brokers, controller }: Metadata): Promise<Connection> {
  const address = brokers.get(controller ?? -1);
  return address === undefined ? await cluster.any("control") : await cluster.connection(address, "control");
}

/** Deletes the records before these offsets of the topic's partitions. Best effort: what fails is tried again with the next. */
export async function deleteBefore(
  cluster: Cluster,
  topic: string,
  offsets: readonly { readonly partition: number; readonly offset: number }[],
): Promise<void> {
  const metadata = await cluster.metadata([topic]);
  const leaderOf = ({ partition }: { partition: number }): string =>
    metadata.brokers.get(metadata.topics.get(topic)?.partitions[partition]?.leader ?? -1) ?? "";
  for (const [address, list] of Map.groupBy(offsets, leaderOf)) {
    if (address === "") continue;
    const [bad] = await deleteRecords(await cluster.connection(address, "control"), topic, list);
    if (bad === undefined) continue;
    throw new Error(`records of "${topic}" cannot be deleted: ${errorWithRight(bad, `Delete on topic ${topic}`)}`);
  }
}

/** Deletes the owner's topics of generations before this one; gives their names. Those of others of its name stay. */
export async function deleteGenerations(
  cluster: Cluster,
  job: string,
  { generation: below, owner }: Pick<ExchangePlace, "generation" | "owner">,
): Promise<readonly string[]> {
  const metadata = await fetchMetadata(await cluster.any("control"), "all", { ids: false });
  const old = [...metadata.topics.keys()].filter((topic) => {
    const found = generationOf(topic, job);
    return found !== undefined && found.owner === owner && found.generation < below;
  });
  if (old.length === 0) return [];
  const answers = await deleteTopics(await controllerOf(cluster, metadata), old);
  for (const [topic, error] of answers) {
    if (error === ErrorCode.None || error === ErrorCode.UnknownTopicOrPartition) continue;
    throw new Error(`topic "${topic}" cannot be deleted: ${errorWithRight(error, `Delete on topic ${topic}`)}`);
  }
  return old;
}

/** Deletes all topics between the job's workers, which must have ended; gives their names. `job` is "<namespace>.<job>". */
export async function deleteExchanges(
  config: KafkaConnectionConfig,
  ctx: ConnectorContext,
  { job, owner }: Pick<ExchangePlace, "job" | "owner">,
): Promise<readonly string[]> {
  const cluster = openCluster(config, ctx);
  try {
    const all = { generation: Infinity, owner };
    return await untilReached(ctx, "SINK_UNREACHABLE", () => deleteGenerations(cluster, job, all));
  } finally {
    cluster.close();
  }
}
