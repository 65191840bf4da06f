import { describe, expect, it } from "vitest";
import type { KubeObject } from "./object.ts";
import type { Change } from "./store.ts";
import { createStore } from "./store.ts";

const object = (name: string, extra: Partial<KubeObject["metadata"]> = {}): KubeObject => ({
  apiVersion: "v1",
  kind: "ConfigMap",
  metadata: { name, namespace: "default", uid: `uid-${name}`, ...extra },
});

describe("the store", () => {
  it("gives every write a higher revision and tells its listeners in order", () => {
    const store = createStore();
    const seen: Change[] = [];
    store.subscribe((change) => seen.push(change));
    const first = store.put("/configmaps", object("a"));
    const second = store.put("/configmaps", first);
    store.remove("/configmaps", second);
    expect(seen.map((change) => change.type)).toEqual(["ADDED", "MODIFIED", "DELETED"]);
    expect(seen.map((change) => change.revision)).toEqual(
      seen.map((change) => Number(change.object.metadata.resourceVersion)),
    );
    expect(store.list("/configmaps")).toEqual([]);
  });

  it("remembers a bounded window of changes", () => {
    const store = createStore({ window: 2 });
    const start = store.revision();
    for (const name of ["a", "b", "c", "d", "e"]) store.put("/configmaps", object(name));
    expect(store.since("/configmaps", start)).toBeUndefined();
    const recent = store.since("/configmaps", store.revision() - 1);
    expect(recent?.map((change) => change.object.metadata.name)).toEqual(["e"]);
  });

  it("finds the objects that name an owner", () => {
    const store = createStore();
    const owner = { apiVersion: "v1", kind: "ConfigMap", name: "a", uid: "uid-a" };
    const child = store.put("/configmaps", object("b", { ownerReferences: [owner] }));
    expect(store.dependents("uid-a").map((found) => found.object.metadata.name)).toEqual(["b"]);
    store.remove("/configmaps", child);
    expect(store.dependents("uid-a")).toEqual([]);
  });
});
