import { describe, expect, it } from "vitest";
import type { Pipeline } from "../../api/pipeline.schema.ts";
import type { Delivery } from "../plan.ts";
import { weakestDelivery } from "./delivery.ts";
import { planPipeline } from "./plan-pipeline.ts";

type Sink = NonNullable<Pipeline["nodes"][number]["sink"]>;
const kafka = (delivery?: Delivery, { topic = "t", connection = "main" } = {}): Sink => ({
  connection,
  kafka: { topic, ...(delivery === undefined ? {} : { delivery }) },
});

function sinksOf(delivery: Delivery, ...sinks: readonly Sink[]) {
  const pipeline: Pipeline = {
    connections: [
      { name: "main", kafka: { brokers: ["k:9092", "l:9092"] } },
      { name: "same", kafka: { brokers: ["l:9092", "k:9092"] } },
      { name: "other", kafka: { brokers: ["m:9092"] } },
    ],
    functions: [{ name: "f", module: { path: "/f.mjs" } }],
    nodes: [
      { name: "events", source: { datagen: {} } },
      ...sinks.map((sink, i) => ({ name: `out${i}`, from: ["events"], sink })),
    ],
  };
  return planPipeline(pipeline, { parameters: {}, maxParallelism: 4, delivery }).sinks;
}

describe("the delivery of sinks", () => {
  it("is the job's where a sink says nothing and can", () => {
    const sinks = sinksOf("ExactlyOnce", kafka(), { blackhole: {} }, { stdout: {} });
    expect(sinks.map((s) => s.delivery)).toEqual(["ExactlyOnce", undefined, undefined]);
    expect(weakestDelivery(sinks)).toBe("AtLeastOnce");
    expect(weakestDelivery(sinksOf("ExactlyOnce", kafka()))).toBe("ExactlyOnce");
  });

  it("is the sink's own before the job's", () => {
    expect(sinksOf("AtLeastOnce", kafka("ExactlyOnce"))[0]?.delivery).toBe("ExactlyOnce");
    expect(sinksOf("ExactlyOnce", kafka("AtLeastOnce"))[0]?.delivery).toBeUndefined();
  });

  it("lets files follow one sink that decides, or each other", () => {
    const file = { file: { path: "/out" } };
    const sinks = sinksOf("ExactlyOnce", kafka(), file, file);
    expect(sinks.map((s) => s.delivery)).toEqual(["ExactlyOnce", "ExactlyOnce", "ExactlyOnce"]);
  });

  it("is at least once of a user's sink that does not say otherwise itself", () => {
    const deliveries = [undefined, "ExactlyOnce" as const].map((own) => {
      const custom = { function: "f", ...(own === undefined ? {} : { delivery: own }) };
      return sinksOf("ExactlyOnce", { custom })[0]?.delivery;
    });
    expect(deliveries).toEqual([undefined, "ExactlyOnce"]);
  });

  it("refuses two sinks that would each decide what counts, by name, and says what to do", () => {
    expect(() => sinksOf("ExactlyOnce", kafka(), kafka(undefined, { connection: "other" }))).toThrow(
      /"out0" and "out1" cannot both deliver ExactlyOnce.*set delivery: AtLeastOnce on all but one/,
    );
    expect(sinksOf("ExactlyOnce", kafka(), kafka("AtLeastOnce", { connection: "other" }))).toHaveLength(2);
  });

  it("takes several sinks on one Kafka cluster, by whatever connection, as they commit together", () => {
    const sinks = sinksOf(
      "ExactlyOnce",
      kafka(),
      kafka(undefined, { topic: "u" }),
      kafka(undefined, { topic: "v", connection: "same" }),
    );
    expect(sinks.map((s) => s.delivery)).toEqual(["ExactlyOnce", "ExactlyOnce", "ExactlyOnce"]);
  });

  it("refuses two exactly-once sinks of one topic, and says what to do", () => {
    expect(() => sinksOf("ExactlyOnce", kafka(), kafka())).toThrow(
      /"out0" and "out1" cannot both write topic "t" with ExactlyOnce; use one sink with from/,
    );
    expect(sinksOf("ExactlyOnce", kafka(), kafka("AtLeastOnce"))).toHaveLength(2);
  });
});
