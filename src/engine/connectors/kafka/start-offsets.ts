import { WeirError } from "../../../errors.ts";
import type { AssignedSplit, SourceContext, Split } from "../connector.ts";
import { EARLIEST, LATEST, listOffsets } from "./calls.ts";
import { untilReached, type Cluster } from "./cluster.ts";
import type { KafkaSourceConfig } from "./config.ts";
import { ErrorCode, errorWithRight } from "./error-codes.ts";
import { growthMessage } from "./growth.ts";
import type { Metadata } from "./metadata-call.ts";
import type { PartitionStart } from "./partition.ts";
import { partitionCount, partitionOf, topicId, topicOf } from "./splits.ts";

/** A saved position: the next offset, and how many partitions the topic had when its keys were dealt. */
export interface KafkaPosition {
  readonly offset: number;
  readonly partitions: number;
  /** Absent where the broker gave none. */
  readonly topicId?: string;
}

/** The offsets to begin with: from the positions, else looked up, so that a position exists before the first record. */
export async function startOffsets(
  source: KafkaSourceConfig,
  assigned: readonly AssignedSplit[],
  cluster: Cluster,
  ctx: SourceContext,
): Promise<PartitionStart[]> {
  const wanted = assigned.map(({ split, position, readBefore }) => ({
    split,
    ...partitionOf(split),
    saved: position as KafkaPosition | undefined,
    added: (readBefore ?? []).some((id) => topicOf(id) === topicOf(split.id)),
  }));
  const unread = wanted.filter((w) => w.saved === undefined);
  const { metadata, found } = await untilReached(ctx, "SOURCE_UNREACHABLE", async () => {
    const current = await cluster.metadata(source.topics);
    return { metadata: current, found: await lookUp(unread, { source, cluster, metadata: current }) };
  });
  return wanted.map(({ split, topic, number, saved }) => {
    const now = partitionCount(metadata, topic);
    if (ctx.partitionedBy !== null && saved !== undefined && saved.partitions !== now) {
      throw new WeirError("RESTORE_REFUSED", `source "${ctx.node}": ${growthMessage(topic, saved.partitions, now)}`);
    }
    // A topic that was created anew since is found by the first look at its id, like one that is while the job runs.
    const id = saved?.topicId ?? topicId(metadata, topic);
    return { split, topic, number, siblings: now, topicId: id, offset: saved?.offset ?? found.get(split.id) ?? 0 };
  });
}

/** Partitions that were added to a topic that is being read hold nothing that was meant to be left out. */
export async function firstPositions(splits: readonly Split[], lookup: Lookup): Promise<PartitionStart[]> {
  const wanted = splits.map((split) => ({ split, ...partitionOf(split) }));
  const found = await offsetsAt(wanted, EARLIEST, lookup);
  return wanted.map(({ split, topic, number }) => {
    const siblings = partitionCount(lookup.metadata, topic);
    const id = topicId(lookup.metadata, topic);
    return { split, topic, number, siblings, topicId: id, offset: found.get(split.id) ?? 0 };
  });
}

interface Wanted {
  readonly split: Split;
  readonly topic: string;
  readonly number: number;
}

export interface Lookup {
  readonly source: KafkaSourceConfig;
  readonly cluster: Cluster;
  readonly metadata: Metadata;
}

async function lookUp(
  wanted: readonly (Wanted & { readonly added: boolean })[],
  lookup: Lookup,
): Promise<Map<string, number>> {
  const at = startTime(lookup.source.startFrom ?? "Earliest");
  const added = await offsetsAt(
    wanted.filter((w) => w.added),
    EARLIEST,
    lookup,
  );
  const first = wanted.filter((w) => !w.added);
  const found = new Map([...added, ...(await offsetsAt(first, at, lookup))]);
  // No record at or after the time: everything that comes from here on is.
  const later = wanted.filter((w) => (found.get(w.split.id) ?? -1) < 0);
  const ends = await offsetsAt(later, LATEST, lookup);
  return new Map([...found, ...ends]);
}

function startTime(startFrom: string): number {
  if (startFrom === "Earliest") return EARLIEST;
  return startFrom === "Latest" ? LATEST : Date.parse(startFrom);
}

export async function offsetsAt(wanted: readonly Wanted[], at: number, lookup: Lookup): Promise<Map<string, number>> {
  const { source, cluster, metadata } = lookup;
  const leaderOf = (w: Wanted): string => {
    const leader = metadata.topics.get(w.topic)?.partitions[w.number]?.leader ?? -1;
    const address = metadata.brokers.get(leader);
    if (address === undefined) throw new Error(`${w.split.id} has no leader now`);
    return address;
  };
  const found = new Map<string, number>();
  for (const [address, list] of Map.groupBy(wanted, leaderOf)) {
    const asked = list.map((w) => ({ topic: w.topic, partition: w.number, at }));
    const answers = await listOffsets(await cluster.connection(address, "control"), asked, readsCommitted(source));
    for (const answer of answers) {
      const id = `${answer.topic}-${answer.partition}`;
      if (answer.error !== ErrorCode.None)
        throw new Error(`${id}: ${errorWithRight(answer.error, `Describe on topic ${answer.topic}`)}`);
      found.set(id, answer.offset);
    }
  }
  return found;
}

export function readsCommitted(source: KafkaSourceConfig): boolean {
  return source.isolation !== "ReadUncommitted";
}
