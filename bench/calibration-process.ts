/** The yardstick of a run, see calibration.ts: `node bench/calibration-process.ts TOPIC` prints records per CPU second. */
import { workloads } from "./workloads/all-workloads.ts";

const COUNT = 300_000;
const ROUNDS = 4;

const [topic] = process.argv.slice(2);
const input = workloads.find((workload) => workload.input.topic === topic)?.input;
if (input === undefined) throw new Error(`there is no input called ${topic}`);

const values = Array.from({ length: COUNT }, (_, n) => Buffer.from(input.record(n).value));
const ends: number[] = [];
let at = 0;
for (const value of values) ends.push((at += value.length));
const buffer = Buffer.concat(values);

type Parsed = { readonly type?: string; readonly kind?: string; readonly payload?: { lag: number }; price?: number };

function parseAll(): number {
  let sum = 0;
  let start = 0;
  for (const end of ends) {
    const event = JSON.parse(buffer.toString("utf8", start, end)) as Parsed;
    if (event.type === "metrics") sum += event.payload?.lag ?? 0;
    else if (event.kind === "bid") sum += event.price ?? 0;
    start = end;
  }
  return sum;
}

const expected = parseAll();
const before = process.cpuUsage();
for (let round = 0; round < ROUNDS; round++) {
  if (parseAll() !== expected) throw new Error("the calibration does not agree with itself");
}
const { user, system } = process.cpuUsage(before);
console.log((COUNT * ROUNDS * 1e6) / (user + system));
