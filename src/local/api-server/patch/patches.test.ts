import { describe, expect, it } from "vitest";
import { publishedSchema } from "../schema/structural.ts";
import { jsonPatch } from "./json-patch.ts";
import { mergePatch } from "./merge.ts";
import { strategicMergePatch } from "./strategic.ts";

const pod = publishedSchema("io.k8s.api.core.v1.Pod");

describe("merge patch", () => {
  it("merges maps, removes what is null and replaces lists", () => {
    const target = { a: { b: 1, c: 2 }, list: [1, 2] };
    expect(mergePatch(target, { a: { b: null, d: 3 }, list: [9] })).toEqual({ a: { c: 2, d: 3 }, list: [9] });
    expect(target).toEqual({ a: { b: 1, c: 2 }, list: [1, 2] });
  });
});

describe("JSON patch", () => {
  it("adds, removes, moves and tests without touching the original", () => {
    const target = { list: ["a", "c"], old: 1, "sl/ash": 2 };
    const patched = jsonPatch(target, [
      { op: "add", path: "/list/1", value: "b" },
      { op: "test", path: "/sl~1ash", value: 2 },
      { op: "move", from: "/old", path: "/new" },
      { op: "remove", path: "/list/0" },
    ]);
    expect(patched).toEqual({ list: ["b", "c"], new: 1, "sl/ash": 2 });
    expect(target.list).toEqual(["a", "c"]);
  });

  it.each([
    { op: "test", path: "/a", value: 2 },
    { op: "remove", path: "/missing" },
    { op: "replace", path: "/missing", value: 1 },
    { op: "add", path: "/list/7", value: 1 },
    { op: "unheard-of", path: "/a" },
  ])("refuses $op of $path", (operation) => {
    expect(() => jsonPatch({ a: 1, list: [] }, [operation])).toThrow("the server rejected our request");
  });
});

describe("strategic merge patch", () => {
  const target = {
    spec: {
      containers: [
        { name: "a", image: "one", env: [{ name: "X", value: "1" }] },
        { name: "b", image: "two" },
      ],
    },
  };

  it("merges containers by their name", () => {
    const patch = { spec: { containers: [{ name: "b", image: "three" }] } };
    const patched = strategicMergePatch(target, patch, pod);
    expect(patched["spec"]).toMatchObject({
      containers: [
        { name: "a", image: "one" },
        { name: "b", image: "three" },
      ],
    });
  });

  it("deletes an element on the $patch directive and orders by $setElementOrder", () => {
    const patch = {
      spec: {
        "$setElementOrder/containers": [{ name: "c" }, { name: "b" }],
        containers: [
          { name: "a", $patch: "delete" },
          { name: "c", image: "new" },
        ],
      },
    };
    const { spec } = strategicMergePatch(target, patch, pod) as { spec: { containers: { name: string }[] } };
    expect(spec.containers.map((container) => container.name)).toEqual(["c", "b"]);
  });

  it("removes primitives from a list that merges", () => {
    const object = { metadata: { finalizers: ["a", "b"] } };
    const patch = { metadata: { "$deleteFromPrimitiveList/finalizers": ["a"] } };
    expect(strategicMergePatch(object, patch, pod)).toEqual({ metadata: { finalizers: ["b"] } });
  });
});
