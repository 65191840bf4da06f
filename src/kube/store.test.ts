import { describe, expect, it } from "vitest";
import type { KubeObject } from "./resource.ts";
import { createStore, isNewer } from "./store.ts";

const object = (name: string, uid: string, resourceVersion: string, owner?: string): KubeObject => ({
  apiVersion: "v1",
  kind: "Pod",
  metadata: { name, namespace: "ns", uid, resourceVersion, ...(owner === undefined ? {} : { labels: { owner } }) },
});

function recorded() {
  const store = createStore<KubeObject>({
    owner: (o) => (o.metadata.labels?.["owner"] === undefined ? [] : [o.metadata.labels["owner"]]),
  });
  const heard: string[] = [];
  store.onChange(({ type, object: o }) =>
    heard.push(`${type} ${o.metadata.name} ${o.metadata.uid}@${o.metadata.resourceVersion}`),
  );
  return { store, heard };
}

describe("the store", () => {
  it("keeps the newest state of an object whatever order events come in", () => {
    const { store, heard } = recorded();
    for (const version of ["9", "10", "9", "10"]) store.put(object("a", "u1", version));
    expect(heard).toEqual(["Added a u1@9", "Modified a u1@10"]);
  });

  it("does not let a late tombstone remove the next incarnation", () => {
    const { store } = recorded();
    store.put(object("a", "u2", "20"));
    store.remove(object("a", "u1", "15"));
    expect(store.get("ns/a")?.metadata.uid).toBe("u2");
  });

  it("does not bring back an older incarnation", () => {
    const { store, heard } = recorded();
    store.put(object("a", "u2", "20"));
    store.put(object("a", "u1", "12"));
    expect(heard).toEqual(["Added a u2@20"]);
  });

  it("tells a changed uid as a deletion and an addition", () => {
    const { store, heard } = recorded();
    store.put(object("a", "u1", "1"));
    store.put(object("a", "u2", "5"));
    expect(heard).toEqual(["Added a u1@1", "Deleted a u1@1", "Added a u2@5"]);
  });

  it("becomes equal to a list, and names what it had not seen", () => {
    const { store, heard } = recorded();
    store.put(object("gone", "u1", "1"));
    store.put(object("same", "u2", "2"));
    heard.length = 0;
    const changed = store.replace([object("same", "u2", "2"), object("new", "u3", "3")]);
    expect(changed.map((o) => o.metadata.name)).toEqual(["new"]);
    expect(heard).toEqual(["Deleted gone u1@1", "Added new u3@3"]);
  });

  it("keeps its indexes in step with every change", () => {
    const { store } = recorded();
    const owned = (owner: string): string[] => store.byIndex("owner", owner).map((o) => o.metadata.name);
    store.put(object("a", "u1", "1", "x"));
    store.put(object("b", "u2", "2", "x"));
    expect(owned("x")).toEqual(["a", "b"]);
    store.put(object("a", "u1", "3", "y"));
    expect([owned("x"), owned("y")]).toEqual([["b"], ["a"]]);
    store.remove(object("b", "u2", "4"));
    store.replace([]);
    expect([owned("x"), owned("y")]).toEqual([[], []]);
    expect(() => store.byIndex("nope", "x")).toThrow("no index nope");
  });

  it("tells a new handler what is there already, and an old one nothing more", () => {
    const { store } = recorded();
    store.put(object("a", "u1", "1"));
    const late: string[] = [];
    const off = store.onChange(({ type, object: o }) => late.push(`${type} ${o.metadata.name}`));
    off();
    store.put(object("b", "u2", "2"));
    expect(late).toEqual(["Added a"]);
  });

  it("reports what a handler or an index throws, and goes on with the others", () => {
    const errors: unknown[] = [];
    const store = createStore<KubeObject>(
      {
        broken: (o) => {
          if (o.metadata.name === "bad") throw new Error("index");
          return ["all"];
        },
      },
      (e) => errors.push(String(e)),
    );
    const heard: string[] = [];
    store.onChange(() => {
      throw new Error("handler");
    });
    store.onChange(({ object: o }) => heard.push(o.metadata.name));
    store.put(object("bad", "u1", "1"));
    store.put(object("good", "u2", "2"));
    expect(heard).toEqual(["bad", "good"]);
    expect(store.byIndex("broken", "all").map((o) => o.metadata.name)).toEqual(["good"]);
    expect(errors).toEqual(["Error: index", "Error: handler", "Error: handler"]);
  });

  it("compares versions as numbers of any length", () => {
    expect(isNewer("10", "9")).toBe(true);
    expect(isNewer("9", "10")).toBe(false);
    expect(isNewer("18446744073709551616", "18446744073709551615")).toBe(true);
    expect(isNewer("7", "7")).toBe(false);
    expect(isNewer("7", undefined)).toBe(true);
  });
});
