import { describe, expect, it } from "vitest";
import { murmur2, murmur2Of, shardOf } from "./murmur2.ts";

describe("the hash of keys", () => {
  // From Kafka's own UtilsTest.testMurmur2.
  it.each([
    ["21", -973932308],
    ["foobar", -790332482],
    ["a-little-bit-long-string", -985981536],
    ["a-little-bit-longer-string", -1486304829],
    ["lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971],
    ["abc", 479470107],
  ])("is Kafka's for %s", (text, expected) => {
    const bytes = Buffer.from(`..${text}..`);
    expect(murmur2(bytes, 2, bytes.length - 2)).toBe(expected);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    expect(murmur2Of({ bytes, view }, 2, bytes.length - 2)).toBe(expected);
  });

  it("deals negative hashes to shards as Kafka's partitioner does", () => {
    expect(shardOf(-973932308, 32)).toBe((-973932308 & 0x7fffffff) % 32);
  });
});
