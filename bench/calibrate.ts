/**
 * The yardstick of a run: JSON.parse of each record from one buffer, reading two fields. A process of its own, because
 * it must not share a heap or compiled code with anything else. Prints records per CPU second.
 */
import { eventAt } from "./events.ts";

const COUNT = 300_000;
const ROUNDS = 4;

const values = Array.from({ length: COUNT }, (_, n) => Buffer.from(eventAt(n, { tenants: 1000, rate: 10_000 }).value));
const ends: number[] = [];
let at = 0;
for (const value of values) ends.push((at += value.length));
const buffer = Buffer.concat(values);

function parseAll(): number {
  let sum = 0;
  let start = 0;
  for (const end of ends) {
    const event = JSON.parse(buffer.toString("utf8", start, end)) as { type: string; payload: { lag: number } };
    if (event.type === "metrics") sum += event.payload.lag;
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
