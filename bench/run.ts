/**
 * `make bench`: the protocol of docs/performance.md in its small form. Everything that is compared is measured in the same
 * run on the same core; a figure is printed only after its output was found equal to an independent computation.
 *
 *   node bench/run.ts [--records 8000000] [--runs 5] [--only W1] [--jobs 100]
 */
import { execFile } from "node:child_process";
import { join } from "node:path";
import { parseArgs, promisify } from "node:util";
import { startKafka, type KafkaServer } from "../test/servers/kafka.ts";
import { checkpointTime } from "./checkpoint-time.ts";
import type { EventShape } from "./events.ts";
import { median } from "./processes.ts";
import { operatorIdle } from "./operator-idle.ts";
import { startTime } from "./start-time.ts";
import { writeEvents } from "./topics.ts";
import { measure, openWorker, WORKER_CORE, type Measured } from "./worker-run.ts";
import { workloads, type Workload } from "./workloads.ts";

const { values: flags } = parseArgs({
  options: {
    records: { type: "string", default: "8000000" },
    runs: { type: "string", default: "5" },
    only: { type: "string" },
    jobs: { type: "string", default: "100" },
  },
});
const records = Number(flags.records);
const runs = Number(flags.runs);
const idleJobs = Number(flags.jobs);
const partitions = 4;
const shape: EventShape = { tenants: 1000, rate: 20_000 };
const say = (text: string): void => void process.stderr.write(`${text}\n`);

async function calibration(): Promise<number> {
  const args = ["-c", String(WORKER_CORE), process.execPath, join(import.meta.dirname, "calibrate.ts")];
  return Number((await promisify(execFile)("taskset", args)).stdout);
}

async function check(
  kafka: KafkaServer,
  workload: Workload,
  topic: string,
  expected: readonly string[],
): Promise<void> {
  // The output of the last batches is on its way for as long as the sink lingers.
  const end = performance.now() + 30_000;
  while ((await kafka.endOffsets(topic)).reduce((sum, n) => sum + n, 0) < expected.length && performance.now() < end);
  const rows = (await kafka.consumeAll(topic)).map((record) => workload.row(record)).toSorted();
  const wrong = rows.length === expected.length ? rows.findIndex((row, i) => row !== expected[i]) : 0;
  if (rows.length !== expected.length || wrong >= 0) {
    throw new Error(
      `${workload.name} is wrong: ${rows.length} rows instead of ${expected.length}; ` +
        `first difference "${rows[wrong] ?? ""}" instead of "${expected[wrong] ?? ""}"`,
    );
  }
}

interface Row {
  readonly workload: Workload;
  readonly measured: readonly Measured[];
}

async function runWorkload(kafka: KafkaServer, workload: Workload): Promise<Row> {
  const expected = workload.expected(records, shape).toSorted();
  const measured: Measured[] = [];
  for (let i = 0; i < runs; i++) {
    const output = `${workload.name.toLowerCase()}-${i}`;
    await kafka.createTopic(output, partitions);
    const open = await openWorker(workload.pipeline(kafka.brokers, "events", output));
    try {
      const result = await measure(open, records + partitions);
      await check(kafka, workload, output, expected);
      measured.push(result);
      say(`${workload.name} run ${i + 1}: ${inThousands(result.perCpuSecond)} K records per CPU second, output equal`);
    } finally {
      await open.close();
    }
    await kafka.deleteTopic(output);
  }
  return { workload, measured };
}

const inThousands = (n: number): string => (n / 1000).toFixed(0);
const mid = (row: Row, pick: (m: Measured) => number): number => median(row.measured.map(pick));

function print(rows: readonly Row[], j: number, others: readonly (readonly [string, string])[]): void {
  const lines = [
    "| work | K records per CPU second | × J | goal | with start | K per wall second | peak MiB |",
    "|---|---|---|---|---|---|---|",
    `| J: JSON.parse of each record, two fields read | ${inThousands(j)} | 1 | | | | |`,
    ...rows.map((row) => {
      const rate = mid(row, (m) => m.perCpuSecond);
      return (
        `| ${row.workload.name}: ${row.workload.what} | ${inThousands(rate)} | ${(rate / j).toFixed(2)} | ${row.workload.goal} | ` +
        `${inThousands(mid(row, (m) => m.withStart))} | ${inThousands(mid(row, (m) => m.perWallSecond))} | ${mid(row, (m) => m.peakMiB).toFixed(0)} |`
      );
    }),
    "",
    "| figure | value |",
    "|---|---|",
    ...others.map(([name, value]) => `| ${name} | ${value} |`),
  ];
  console.log(lines.join("\n"));
}

const kafka = await startKafka();
try {
  const before = await calibration();
  const chosen = workloads.filter((w) => flags.only === undefined || flags.only === w.name);
  await kafka.createTopic("events", partitions);
  say(`writing ${records} events into ${partitions} partitions`);
  await writeEvents(kafka.brokers, { name: "events", partitions }, records, shape);
  const js = [before];
  const rows: Row[] = [];
  for (const workload of chosen) {
    rows.push(await runWorkload(kafka, workload));
    js.push(await calibration());
  }
  const others = [await startTime(kafka, runs), await checkpointTime(kafka, runs)].flat();
  js.push(await calibration());
  say(`starting ${idleJobs} idle jobs`);
  others.push(...(await operatorIdle(idleJobs)));
  print(rows, median(js), others);
} finally {
  await kafka.close();
}
