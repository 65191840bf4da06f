import { WeirError } from "../../../errors.ts";
import type { SourceContext } from "../connector.ts";
import { EARLIEST, LATEST } from "./calls.ts";
import type { Cluster } from "./cluster.ts";
import type { KafkaSourceConfig } from "./config.ts";
import type { Partition } from "./partition.ts";
import { offsetsAt } from "./start-offsets.ts";

/** What to do with partitions whose next offset the broker does not have: where each goes on, by the split's id. */
export type OutOfRange = (partitions: readonly Partition[]) => Promise<ReadonlyMap<string, number>>;

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
  return async (partitions) => {
    if (policy === "Fail") throw outOfRange(partitions);
    const metadata = await cluster.metadata(source.topics);
    const at = policy === "Earliest" ? EARLIEST : LATEST;
    const found = await offsetsAt(partitions, at, { source, cluster, metadata });
    for (const p of partitions) ctx.lost(...lossOf(p, found.get(p.split.id) ?? 0, policy));
    return found;
  };
}

const place = (p: Partition): string => `${p.topic}[${p.number}]`;

function lossOf(p: Partition, next: number, policy: string): [records: number, message: string] {
  const went = `goes on at offset ${next} (offsetReset: ${policy})`;
  if (next < p.fetchOffset) {
    return [0, `${place(p)} ends before offset ${p.fetchOffset}, so it was created anew or cut; reading ${went}`];
  }
  const lost = next - p.fetchOffset;
  return [
    lost,
    `Kafka has no offset ${p.fetchOffset} in ${place(p)} any more; reading ${went}, and ${lost} offsets were never read`,
  ];
}

function outOfRange(partitions: readonly Partition[]): WeirError {
  const which = partitions.map((p) => `offset ${p.fetchOffset} in ${place(p)}`).join(", ");
  return new WeirError(
    "OFFSET_OUT_OF_RANGE",
    `Kafka has no ${which} any more: retention removed it, or the topic was created anew. Going on would lose records ` +
      `silently; start the job from a position that exists and give the topic a longer retention, or set offsetReset ` +
      `of the source to go on with the loss`,
  );
}
