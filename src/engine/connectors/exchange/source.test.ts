import { expect, it } from "vitest";
import { connectorContext } from "../../../../test/builders/connector-context.ts";
import { exchangeSource } from "./source.ts";

it("does not go on from positions in another topic, which has what was on its way", () => {
  const topic = "weir.default.job.w.g2";
  const config = { brokers: ["nowhere:1"], topic, partitions: 1, slots: 1, committed: false, retain: 1 };
  const assigned = [
    { split: { id: `${topic}-0`, index: 0 }, position: undefined, readBefore: ["weir.default.job.w.g1-0"] },
  ];
  expect(() => exchangeSource.open(config, assigned, connectorContext([]).source)).toThrow(
    /positions in topic "weir.default.job.w.g1".*records in "weir.default.job.w.g2"/,
  );
});
