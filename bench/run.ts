/**
 * `make bench`: the protocol of docs/performance.md. Everything that is compared is measured in the same run on the same
 * core; a figure is printed only after its output was found equal to an independent computation. See options.ts.
 */
import { startKafka } from "../test/servers/kafka.ts";
import { checkpointTime } from "./figures/checkpoint-time.ts";
import { operatorIdle } from "./figures/operator-idle.ts";
import { recoveryTime } from "./figures/recovery-time.ts";
import { savepointTime } from "./figures/savepoint-time.ts";
import { startTime } from "./figures/start-time.ts";
import { workerMemory } from "./figures/worker-memory.ts";
import { machine } from "./machine.ts";
import { chosen, optionsOf } from "./options.ts";
import { startFlink } from "./peers/flink.ts";
import type { Peer } from "./peers/peer.ts";
import { startWeir } from "./peers/weir.ts";
import { rowOf, type Bench, type Row } from "./protocol.ts";
import { figureTable, rowTable, type Figure } from "./table.ts";
import { workloads } from "./workloads/all-workloads.ts";

const options = optionsOf(process.env);
const say = (text: string): void => void process.stderr.write(`${text}\n`);

// Nobody kills this broker, so nothing waits for its session to lapse.
const kafka = await startKafka({ "broker.session.timeout.ms": "60000" });
const peers: Peer[] = [];
try {
  const weir = await startWeir(options.runs);
  peers.push(weir);
  const wanted = workloads.filter(({ name }) => chosen(options, name.replace("Nexmark ", "")));
  if (options.flinkRuns > 0 && wanted.length > 0) {
    say("starting Flink (FLINK=0 leaves it out)");
    peers.push(await startFlink(options.flinkRuns));
  }
  const bench: Bench = { kafka, peers, sizes: options, written: new Set(), say };
  const names = peers.map((peer) => peer.name);
  say(machine(names));
  const rows: Row[] = [];
  for (const workload of wanted) rows.push(await rowOf(bench, workload));
  console.log(`${machine(names)}; ${options.records} records, median of ${options.runs}\n`);
  if (rows.length > 0) console.log(`${rowTable(names, rows)}\n`);
  const figures: Figure[] = workerMemory(rows);
  if (chosen(options, "figures")) {
    // The machine is Weir's alone from here on.
    for (const peer of peers.splice(1)) await peer.close();
    const place = { kafka, main: weir.main, runs: options.runs };
    for (const figure of [startTime, savepointTime, recoveryTime, checkpointTime])
      figures.push(...(await figure(place)));
    say(`starting ${options.jobs} idle jobs`);
    figures.push(...(await operatorIdle(options.jobs)));
  }
  if (figures.length > 0) console.log(`${figureTable(figures)}\n`);
} finally {
  for (const peer of peers) await peer.close();
  await kafka.close();
}
