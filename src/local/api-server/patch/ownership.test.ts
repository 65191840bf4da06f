import { describe, expect, it } from "vitest";
import type { KubeObject } from "../object.ts";
import type { Schema } from "../schema/structural.ts";
import { overlay, removeAbandoned } from "./apply.ts";
import { emptySet, fromFieldsV1, pathText, paths, setOf, toFieldsV1, union } from "./field-set.ts";
import { afterApply, afterUpdate, ownersOf, withOwners } from "./managed-fields.ts";

const schema: Schema = {
  type: "object",
  properties: {
    metadata: { type: "object" },
    spec: {
      type: "object",
      properties: {
        replicas: { type: "integer" },
        parts: {
          type: "array",
          "x-kubernetes-list-type": "map",
          "x-kubernetes-list-map-keys": ["name"],
          items: { type: "object", properties: { name: { type: "string" }, size: { type: "integer" } } },
        },
      },
    },
  },
};
const object = (spec: Record<string, unknown>): KubeObject => ({
  apiVersion: "v1",
  kind: "Thing",
  metadata: { name: "a" },
  spec,
});
const manager = (name: string, operation: "Apply" | "Update") => ({
  manager: name,
  operation,
  apiVersion: "v1",
  subresource: "",
});
const base = { schema, time: "2026-01-01T00:00:00Z" };
const applied = (spec: Record<string, unknown>) => ({
  fields: setOf({ spec }, schema),
  force: false,
  allowed: emptySet(),
});

describe("a field set", () => {
  it("names elements of keyed lists by their keys and survives its written form", () => {
    const set = setOf({ spec: { replicas: 1, parts: [{ name: "x", size: 2 }] } }, schema);
    const written = toFieldsV1(set);
    expect(written).toEqual({
      "f:spec": { "f:replicas": {}, "f:parts": { 'k:{"name":"x"}': { ".": {}, "f:name": {}, "f:size": {} } } },
    });
    expect(toFieldsV1(fromFieldsV1(written))).toEqual(written);
    expect(paths(set).map(pathText)).toContain('.spec.parts[name="x"].size');
  });
});

describe("ownership", () => {
  const created = withOwners(
    object({ replicas: 1 }),
    afterApply(
      {
        ...base,
        live: {},
        next: object({ replicas: 1 }),
        owners: new Map(),
        manager: manager("one", "Apply"),
      },
      applied({ replicas: 1 }),
    ),
  );

  it("refuses to apply a different value to a field of another manager", () => {
    const next = object({ replicas: 2 });
    const transition = { ...base, live: created, next, owners: ownersOf(created), manager: manager("two", "Apply") };
    expect(() => afterApply(transition, applied({ replicas: 2 }))).toThrow(
      'Apply failed with 1 conflict: conflict with "one": .spec.replicas',
    );
    const forced = afterApply(transition, { ...applied({ replicas: 2 }), force: true });
    expect([...forced.values()].map((owner) => owner.manager)).toEqual(["two"]);
  });

  it("is shared where two managers apply the same value", () => {
    const transition = {
      ...base,
      live: created,
      next: created,
      owners: ownersOf(created),
      manager: manager("two", "Apply"),
    };
    const shared = afterApply(transition, applied({ replicas: 1 }));
    expect([...shared.values()].map((owner) => owner.manager)).toEqual(["one", "two"]);
  });

  it("moves to who updates a field", () => {
    const next = object({ replicas: 5 });
    const transition = {
      ...base,
      live: created,
      next,
      owners: ownersOf(created),
      manager: manager("scaler", "Update"),
    };
    const [owner, ...others] = [...afterUpdate(transition).values()];
    expect(others).toEqual([]);
    expect(owner?.manager).toBe("scaler");
  });
});

describe("apply", () => {
  it("keeps elements of others and removes what its manager no longer states", () => {
    const live = { spec: { replicas: 3, parts: [{ name: "theirs" }, { name: "mine", size: 1 }] } };
    const last = setOf({ spec: { replicas: 3, parts: [{ name: "mine", size: 1 }] } }, schema);
    const config = { spec: { replicas: 3 } };
    const theirs = setOf({ spec: { parts: [{ name: "theirs" }] } }, schema);
    const merged = overlay(live, config, schema) as Record<string, unknown>;
    const kept = removeAbandoned(merged, last, union(theirs, setOf(config, schema)), schema);
    expect(kept).toEqual({ spec: { replicas: 3, parts: [{ name: "theirs" }] } });
  });
});
