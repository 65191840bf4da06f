import { expect, it } from "vitest";
import type { KeyedNode } from "../program.ts";
import { captureKeyed } from "./snapshot-writer.ts";

it("holds nothing of the nodes before one whose snapshot cannot begin", () => {
  let held = 0;
  const node = (name: string, begin: KeyedNode["beginSnapshot"]): KeyedNode => ({
    node: name,
    stateVersion: 1,
    stateSignature: "",
    watermark: 0,
    shards: () => [0],
    beginSnapshot: begin,
    restore: () => undefined,
    size: () => 0,
  });
  const begins = (): ReturnType<KeyedNode["beginSnapshot"]> => {
    held++;
    return { chunks: () => [], release: () => void held-- };
  };
  const fails = (): never => {
    throw new Error("No space left on device");
  };
  expect(captureKeyed([node("a", begins), node("b", begins)])).toHaveLength(2);
  expect(held).toBe(2);
  expect(() => captureKeyed([node("a", begins), node("b", begins), node("c", fails)])).toThrow("No space left");
  expect(held).toBe(2);
});
