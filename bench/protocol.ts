import { messageOf } from "../src/errors.ts";
import type { KafkaServer } from "../test/servers/kafka.ts";
import { calibration } from "./calibration.ts";
import { load } from "./machine.ts";
import { PARTITIONS, writeInput } from "./inputs/topics.ts";
import { outputCheck } from "./output-check.ts";
import type { Measured, Peer } from "./peers/peer.ts";
import { median } from "./processes.ts";
import type { Workload } from "./workloads/workload.ts";

/** How a row of the table comes about: the same input for each peer, their runs in turn, every output checked. */
export interface Sizes {
  /** Of each input. */
  readonly records: number;
}

export interface Row {
  readonly workload: Workload;
  /** Of each peer, in their order; or why it has no figure. */
  readonly sides: readonly (Measured | string)[];
  /** Of the same records, before and after. */
  readonly j: number;
  /** Of the machine. */
  readonly load: string;
}

export interface Bench {
  readonly kafka: KafkaServer;
  readonly peers: readonly Peer[];
  readonly sizes: Sizes;
  /** Topics that hold their input. */
  readonly written: Set<string>;
  readonly say: (text: string) => void;
}

export async function rowOf(bench: Bench, workload: Workload): Promise<Row> {
  const { peers, sizes, say } = bench;
  await writtenInput(bench, workload);
  const check = outputCheck(bench.kafka, workload, sizes.records);
  const j = (): Promise<number> => alone(peers, undefined, () => calibration(workload.input.topic));
  const js = [await j()];
  const sides: (Measured | string)[] = [];
  for (const peer of peers) {
    const refusal = peer.refuses(workload);
    if (refusal !== undefined) say(`${workload.name} ${peer.name}: not yet (${refusal})`);
    const side = (): Promise<Measured | string> => sideOf(bench, workload, { peer, check });
    sides.push(refusal === undefined ? await alone(peers, peer, side) : "not yet");
  }
  js.push(await j());
  return { workload, sides, j: median(js), load: load() };
}

/** An idle JVM still takes a core's caches, and now and then its time. */
async function alone<T>(peers: readonly Peer[], measured: Peer | undefined, during: () => Promise<T>): Promise<T> {
  const others = peers.filter((peer) => peer !== measured);
  for (const peer of others) peer.pause();
  try {
    return await during();
  } finally {
    for (const peer of others) peer.resume();
  }
}

/** A topic is written by the first workload that reads it. */
async function writtenInput({ kafka, sizes, say, written }: Bench, { input }: Workload): Promise<void> {
  if (written.has(input.topic)) return;
  written.add(input.topic);
  say(`writing ${sizes.records} records into the topic ${input.topic}`);
  await kafka.createTopic(input.topic, PARTITIONS);
  await writeInput(kafka.brokers, input, sizes.records);
}

interface Side {
  readonly peer: Peer;
  readonly check: (topic: string) => Promise<void>;
}

/** The other rows have their figures also where this one fails; the command ends with an error. */
async function sideOf(bench: Bench, workload: Workload, side: Side): Promise<Measured | string> {
  try {
    return await measureSide(bench, workload, side);
  } catch (e) {
    bench.say(`${workload.name} ${side.peer.name} failed: ${messageOf(e)}`);
    process.exitCode = 1;
    return "failed";
  }
}

async function measureSide(bench: Bench, workload: Workload, { peer, check }: Side): Promise<Measured> {
  const { kafka, sizes, say } = bench;
  const runs: Measured[] = [];
  for (let i = -peer.warmUps; i < peer.runs; i++) {
    const run = `${peer.name}-${workload.name}-${i + peer.warmUps}`.toLowerCase().replaceAll(/[^a-z0-9]+/g, "-");
    const place = {
      run,
      brokers: kafka.brokers,
      input: workload.input.topic,
      output: run,
      records: sizes.records + PARTITIONS,
    };
    await kafka.createTopic(place.output, PARTITIONS);
    const measured = await peer.run(workload, place);
    await check(place.output);
    await kafka.deleteTopic(place.output);
    const rate = (measured.perCpuSecond / 1000).toFixed(0);
    say(`${workload.name} ${peer.name} ${i < 0 ? "warm-up" : `run ${i + 1}`}: ${rate} K/CPU s, output equal`);
    if (i >= 0) runs.push(measured);
  }
  const middle = (pick: (m: Measured) => number): number => median(runs.map(pick));
  return {
    perCpuSecond: middle((m) => m.perCpuSecond),
    perWallSecond: middle((m) => m.perWallSecond),
    peakMiB: middle((m) => m.peakMiB),
  };
}
