import { WeirError } from "../../../errors.ts";
import type { SourceContext } from "../connector.ts";
import { EARLIEST, LATEST } from "./calls.ts";
import type { Cluster } from "./cluster.ts";
import type { KafkaSourceConfig } from "./config.ts";
import type { Partition } from "./partition.ts";
import { offsetsAt } from "./start-offsets.ts";

/** A partition that cannot go on where it is. */
export interface Lost {
  readonly partition: Partition;
  /** The id of the topic that has taken the old one's name; absent where only the offset is gone. */
  readonly anew: string | undefined;
}

/** What to do with partitions whose next offset the broker does not have: where each goes on, by the split's id. */
export type OutOfRange = (lost: readonly Lost[]) => Promise<ReadonlyMap<string, number>>;

interface ResetOptions {
  readonly source: KafkaSourceConfig;
  readonly cluster: Cluster;
  readonly ctx: SourceContext;
}

/**
 * Retention has overtaken the job, or the topic was created anew. By default that ends the job: going on loses records.
 * `offsetReset` says to go on all the same; what is lost is counted and said.
 */
export function resetPolicy({ source, cluster, ctx }: ResetOptions): OutOfRange {
  const policy = source.offsetReset ?? "Fail";
  return async (lost) => {
    if (policy === "Fail") throw refusal(lost);
    const partitions = lost.map(({ partition }) => partition);
    const metadata = await cluster.metadata(source.topics);
    const at = policy === "Earliest" ? EARLIEST : LATEST;
    const found = await offsetsAt(partitions, at, { source, cluster, metadata });
    for (const each of lost) ctx.lost(...lossOf(each, found.get(each.partition.split.id) ?? 0, policy));
    return found;
  };
}

const place = (p: Partition): string => `${p.topic}[${p.number}]`;

function lossOf({ partition: p, anew }: Lost, next: number, policy: string): [records: number, message: string] {
  const went = `goes on at offset ${next} (offsetReset: ${policy})`;
  if (anew !== undefined) {
    return [0, `${place(p)} was deleted at offset ${p.fetchOffset} or later, and created anew; reading ${went}`];
  }
  if (next < p.fetchOffset)
    return [0, `${place(p)} ends before offset ${p.fetchOffset}, so it was cut; reading ${went}`];
  const lost = next - p.fetchOffset;
  return [
    lost,
    `Kafka has no offset ${p.fetchOffset} in ${place(p)} any more; reading ${went}, and ${lost} offsets were never read`,
  ];
}

function refusal(lost: readonly Lost[]): WeirError {
  const where = lost.map(({ partition: p }) => `offset ${p.fetchOffset} in ${place(p)}`).join(", ");
  const what = lost.some(({ anew }) => anew !== undefined)
    ? `The topic of ${where} was deleted and created anew: its offsets mean other records now`
    : `Kafka has no ${where} any more: retention removed it, or the topic was created anew`;
  return new WeirError(
    "OFFSET_OUT_OF_RANGE",
    `${what}. Going on would lose records silently; start the job from a position that exists and give the topic a longer retention, or set offsetReset of the source to go on with the loss`,
  );
}
