import { describe, expect, it } from "vitest";
import { kinds } from "../../test/fixtures/api/corpus.ts";
import { objectSchema } from "./crd.ts";
import { IMPLEMENTED } from "./implemented.ts";
import { coveredAbove, notImplemented } from "./not-implemented.ts";
import type { OpenApiSchema } from "./openapi.ts";

interface Leaf {
  readonly row: string;
  readonly schema: OpenApiSchema;
}

/** The fields of a spec by their rows in the table: all of them, and those that hold values. */
function fields(schema: OpenApiSchema, row: string): { all: string[]; leaves: Leaf[] } {
  const children = [
    ...Object.entries(schema.properties ?? {}).map(([k, s]) => fields(s, row === "" ? k : `${row}.${k}`)),
    ...(schema.items === undefined ? [] : [fields(schema.items, `${row}[]`)]),
  ];
  const all = [row, ...children.flatMap((c) => c.all)];
  return { all, leaves: children.length === 0 ? [{ row, schema }] : children.flatMap((c) => c.leaves) };
}

describe.each(kinds)("the table of what this version runs of a %s", (kind) => {
  const table = IMPLEMENTED[kind];
  const { all, leaves } = fields(objectSchema(kind).properties?.["spec"] ?? {}, "");

  it("has a word on every field of the schema", () => {
    const silent = leaves.filter(({ row }) => table[row] === undefined && !coveredAbove(table, row));
    expect(silent.map((l) => l.row)).toEqual([]);
  });

  it("names only fields that the schema has", () => {
    expect(Object.keys(table).filter((row) => !all.includes(row))).toEqual([]);
  });

  it("refuses only values that the schema offers", () => {
    const offered = new Map(leaves.map((l) => [l.row, l.schema]));
    const unknown = Object.entries(table).flatMap(([row, support]) => {
      if (typeof support !== "object") return [];
      const schema = offered.get(row);
      const values = schema?.type === "boolean" ? ["true", "false"] : (schema?.enum ?? []).map(String);
      return Object.keys(support.refused).filter((v) => !values.includes(v));
    });
    expect(unknown).toEqual([]);
  });
});

describe("a field that no row covers", () => {
  it("is refused rather than ignored", () => {
    expect(notImplemented("MaintenanceWindow", { jobs: ["a"], moonPhase: "full" })).toEqual([
      { code: "SPEC_NOT_IMPLEMENTED", path: "spec.moonPhase", message: "this version does not know the field" },
    ]);
  });
});
