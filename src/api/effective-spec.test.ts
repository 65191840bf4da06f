import { describe, expect, it } from "vitest";
import { checkStreamingJob } from "./check.ts";
import { DEFAULTS, effectiveSpec } from "./effective-spec.ts";
import type { StreamingJobSpec } from "./streaming-job.schema.ts";
import { streamingJobSpec } from "./streaming-job.schema.ts";

const smallest: StreamingJobSpec = {
  pipeline: {
    nodes: [
      { name: "events", source: { datagen: {} } },
      { name: "out", from: ["events"], sink: { blackhole: {} } },
    ],
  },
};

describe("the effective spec", () => {
  it("gives a job that says nothing only what this version runs", () => {
    const { delivery } = effectiveSpec(smallest).checkpoint;
    expect(delivery).toBe("AtLeastOnce");
    expect(checkStreamingJob(streamingJobSpec.parse(effectiveSpec(smallest)))).toEqual([]);
  });

  it("keeps what the user says, field by field", () => {
    const spec = effectiveSpec({
      ...smallest,
      parallelism: 4,
      checkpoint: { interval: "5s", storage: { uri: "file:///state" } },
      restart: { strategy: "Never" },
      upgrade: { rollback: { stableAfter: "3m" } },
    });
    expect(spec.parallelism).toBe(4);
    expect(spec.checkpoint).toEqual({ ...DEFAULTS.checkpoint, interval: "5s", storage: { uri: "file:///state" } });
    expect(spec.restart.strategy).toBe("Never");
    expect(spec.upgrade).toEqual({
      mode: "Savepoint",
      fallback: "LastCheckpoint",
      rollback: { enabled: false, stableAfter: "3m" },
    });
  });

  it("checkpoints less often to object storage, which charges per request", () => {
    const storage = { uri: "s3://bucket/jobs" };
    expect(effectiveSpec({ ...smallest, checkpoint: { storage } }).checkpoint.interval).toBe("10s");
    expect(effectiveSpec({ ...smallest, checkpoint: { storage, interval: "2s" } }).checkpoint.interval).toBe("2s");
  });

  it("is its own effective spec", () => {
    const once = effectiveSpec(smallest);
    expect(effectiveSpec(streamingJobSpec.parse(once))).toEqual(once);
  });
});
