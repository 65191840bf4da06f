import { describe, expect, it } from "vitest";
import { streamingJobSpec } from "../api/streaming-job.schema.ts";
import { CHANGE_CLASSES, canonical, changesBetween, dearest, relaunchPart } from "./change-class.ts";

const before = { parallelism: 2, pipeline: { nodes: [{ name: "a" }], tests: [] }, checkpoint: { interval: "1s" } };
const classes = (after: object): string[] =>
  changesBetween(before, { ...before, ...after }).map((c) => `${c.path}: ${c.class}`);

describe("change classes", () => {
  it("name every field of the spec", () => {
    const fields = Object.keys(streamingJobSpec.shape);
    expect(
      Object.keys(CHANGE_CLASSES)
        .filter((p) => !p.includes("."))
        .toSorted(),
    ).toEqual(fields.toSorted());
  });

  it("tell what a change costs, the deepest row deciding", () => {
    expect(classes({ parallelism: 3 })).toEqual(["parallelism: Rescale"]);
    expect(classes({ pipeline: { nodes: [], tests: [] } })).toEqual(["pipeline: Relaunch"]);
    expect(classes({ pipeline: { ...before.pipeline, tests: [{ name: "t" }] } })).toEqual(["pipeline.tests: InPlace"]);
    expect(classes({ engine: "Flink", desiredState: "Stopped" })).toEqual([
      "engine: Forbidden",
      "desiredState: InPlace",
    ]);
  });

  it("say the dearest of several", () => {
    expect(dearest(changesBetween(before, { ...before, parallelism: 3, checkpoint: {} }))).toBe("Relaunch");
    expect(dearest([])).toBe("InPlace");
  });

  it("leave what needs no relaunch out of the part that is hashed", () => {
    const tested = { ...before, parallelism: 9, pipeline: { ...before.pipeline, tests: [1] } };
    expect(canonical(relaunchPart(tested))).toBe(canonical(relaunchPart(before)));
    expect(canonical({ b: 1, a: undefined })).toBe(canonical({ b: 1 }));
  });
});
