import type { KafkaServer } from "../../test/servers/kafka.ts";
import { PARTITIONS } from "../inputs/topics.ts";
import type { Place } from "../peers/peer.ts";
import { planOn } from "../peers/weir-worker.ts";
import type { Plan } from "../../src/engine/plan.ts";
import { workloads } from "../workloads/all-workloads.ts";

/** What each figure is taken with. */
export interface FigureRun {
  readonly kafka: KafkaServer;
  /** The worker's bundle. */
  readonly main: string;
  readonly runs: number;
}

export interface FigureJob extends Place {
  readonly plan: Plan;
}

/** The plan of a row's job on topics of its own, which are made. */
export async function planFor({ kafka }: FigureRun, workload: string, name: string): Promise<FigureJob> {
  const place: Place = {
    run: name,
    brokers: kafka.brokers,
    input: `${name}-in`,
    output: `${name}-out`,
    records: 0,
  };
  await kafka.createTopic(place.input, PARTITIONS);
  await kafka.createTopic(place.output, PARTITIONS);
  const found = workloads.find((w) => w.name === workload);
  if (found === undefined) throw new Error(`there is no row called ${workload}`);
  const { plan, refusal } = planOn(found.spec, place);
  if (plan === undefined) throw new Error(refusal);
  return { ...place, plan };
}

export const recordsIn = async (kafka: KafkaServer, topic: string): Promise<number> =>
  (await kafka.endOffsets(topic)).reduce((sum, n) => sum + n, 0);

export const milliseconds = (ms: number): string => `${ms.toFixed(0)} ms`;
