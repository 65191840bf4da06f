import { join } from "node:path";
import { model } from "../../test/builders/nexmark-model.ts";
import { nexmarkEvents, nexmarkShape } from "../inputs/nexmark-events.ts";
import { nexmarkEvent, type NexmarkEvent } from "../nexmark/generator.ts";
import { jobFiles, millis, type OutputRecord, type Workload } from "./workload.ts";

/** Nexmark's queries from Kafka, checked against the model that the property tests use. */
const folder = join(import.meta.dirname, "../nexmark");

function query(name: string, what: string, row: (record: OutputRecord) => string): Workload {
  return {
    name: `Nexmark ${name}`,
    what,
    goal: { flink: 5 },
    input: nexmarkEvents,
    ...jobFiles(folder, name),
    *expected(count) {
      for (const record of model[name]?.(eventsUpTo(count)) ?? []) yield row(record);
    },
    row,
  };
}

function* eventsUpTo(count: number): Iterable<NexmarkEvent> {
  for (let n = 0; n < count; n++) yield nexmarkEvent(n, nexmarkShape);
}

const words = (...values: readonly unknown[]): string => values.join(" ");

export const nexmarkWorkloads: readonly Workload[] = [
  query("q0", "every bid as it is", ({ auction, bidder, price, channel, url, dateTime, extra }) =>
    words(auction, bidder, price, channel, url, dateTime, extra),
  ),
  query("q5", "auctions with most bids of 10 s, every 2 s", ({ auction, num, windowEnd }) =>
    words(auction, num, millis(windowEnd)),
  ),
  query("q7", "highest bids of 10 s", ({ auction, price, bidder, dateTime }) =>
    words(auction, price, bidder, dateTime),
  ),
  query("q8", "persons who came and sold within 10 s", ({ id, name, windowStart }) =>
    words(id, name, millis(windowStart)),
  ),
];
