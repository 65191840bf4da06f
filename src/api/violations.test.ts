import { describe, expect, it } from "vitest";
import { violations } from "./violations.ts";

const job = (spec: unknown): unknown => ({
  apiVersion: "weir.dev/v1alpha1",
  kind: "StreamingJob",
  metadata: { name: "x" },
  spec,
});
const nodes = [
  { name: "events", source: { datagen: {} } },
  { name: "out", from: ["events"], sink: { blackhole: {} } },
];

describe("the violations of an object", () => {
  it("are none for an object that fits", () => {
    expect(violations("StreamingJob", job({ pipeline: { nodes } }))).toEqual([]);
  });

  it("take a field that is null for absent, as the API server does", () => {
    expect(violations("StreamingJob", job({ parallelism: null, pipeline: { nodes } }))).toEqual([]);
  });

  it.each([
    [{ pipeline: { nodes }, paralelism: 2 }, 'spec: unknown field "paralelism"; did you mean "parallelism"?'],
    [{ pipelin: { nodes } }, 'spec: unknown field "pipelin"; did you mean "pipeline"?'],
    [{ pipeline: { nodes }, zzz: 1 }, 'spec: unknown field "zzz"'],
    [
      { pipeline: { nodes: [...nodes, { name: "hot", form: ["events"], filtr: "true" }] } },
      'spec.pipeline.nodes[hot]: unknown field "form"; did you mean "from"?',
    ],
    [
      { pipeline: { nodes: [...nodes, { name: "hot", form: ["events"], filtr: "true" }] } },
      'spec.pipeline.nodes[hot]: unknown field "filtr"; did you mean "filter"?',
    ],
    [{ pipeline: { nodes }, parallelism: "2" }, "spec.parallelism: must be a number, not a string"],
    [{ pipeline: { nodes }, parallelism: 0 }, "spec.parallelism: must be at least 1"],
    [{ pipeline: { nodes }, desiredState: "On" }, "spec.desiredState: must be Running or Paused or Stopped"],
    [{ pipeline: {} }, "spec.pipeline.nodes: is required"],
    [{ pipeline: { nodes: [] } }, "spec.pipeline.nodes: must have at least 1 item"],
    [
      { pipeline: { nodes }, checkpoint: { interval: 10 } },
      "spec.checkpoint.interval: must be a duration such as 1m30s, 250ms or 24h, not a number",
    ],
    [
      { pipeline: { nodes }, parameters: { a: 5 } },
      'spec.parameters.a: must be a string, not a number; write "5", in quotes',
    ],
    [
      { pipeline: { nodes: [...nodes, { name: "out", from: ["events"], filter: "true" }] } },
      'spec.pipeline.nodes[out].name: another one before it is called "out"; give each its own name',
    ],
    [
      { pipeline: { nodes: [{ name: "hot", from: "a" }] } },
      "spec.pipeline.nodes[hot].from: must be an array, not a string",
    ],
    [
      { pipeline: { nodes: [...nodes, { name: "two", from: ["events"], filter: "true", map: { a: "1" } }] } },
      expect.stringMatching(/^spec\.pipeline\.nodes\[two\]: a node: set exactly one of .*, not filter and map$/),
    ],
    [
      { pipeline: { nodes: [...nodes, { name: "all", from: ["events"], union: null }] } },
      expect.stringMatching(
        /^spec\.pipeline\.nodes\[all\]: .*; "union" is empty, as if it were not there: write union: \{\}$/,
      ),
    ],
    [
      { pipeline: { nodes }, checkpoint: { interval: "1d" } },
      "spec.checkpoint.interval: must be a duration such as 1m30s, 250ms or 24h",
    ],
  ])("say where and what: %j", (spec, expected) => {
    expect(violations("StreamingJob", job(spec)).map((v) => `${v.path}: ${v.message}`)).toContainEqual(expected);
  });

  it("name the field that is not known, and not every other that could be there instead", () => {
    const spec = { pipeline: { nodes: [...nodes, { name: "hot", from: ["events"], fliter: "true" }] } };
    const [found, ...others] = violations("StreamingJob", job(spec));
    expect(found).toMatchObject({ message: 'unknown field "fliter"; did you mean "filter"?', unknown: "fliter" });
    expect(others).toEqual([]);
  });

  it("survive anything that is not an object", () => {
    for (const odd of [null, undefined, 1, "x", []]) expect(violations("StreamingJob", odd)).not.toEqual([]);
  });
});
