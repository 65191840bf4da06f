import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { crds } from "../../scripts/gen/crds.ts";
import { kinds } from "../../test/fixtures/api/corpus.ts";
import { crd, objectSchema } from "./crd.ts";
import type { OpenApiSchema } from "./openapi.ts";

const root = join(import.meta.dirname, "../..");
const files = Object.entries(crds());

/** Every schema below one, with its path. */
function walk(schema: OpenApiSchema, path: string): [string, OpenApiSchema][] {
  return [
    [path, schema],
    ...Object.entries(schema.properties ?? {}).flatMap(([k, s]) => walk(s, `${path}.${k}`)),
    ...(schema.items === undefined ? [] : walk(schema.items, `${path}[]`)),
    ...(schema.additionalProperties === undefined ? [] : walk(schema.additionalProperties, `${path}{}`)),
  ];
}

describe("the CRDs", () => {
  it.each(files)("%s is what the schemas say; else run make gen", (path, content) => {
    expect(readFileSync(join(root, path), "utf8")).toBe(content);
  });

  it.each(files)("%s stays below 64 KiB", (_, content) => {
    expect(Buffer.byteLength(content)).toBeLessThan(64 * 1024);
  });

  it.each(kinds)("bounds every list, map and text of a %s, so that the cost of its rules is bounded", (kind) => {
    const spec = objectSchema(kind).properties?.["spec"] ?? {};
    const unbounded = walk(spec, "spec").filter(
      ([, s]) =>
        (s.type === "array" && s.maxItems === undefined) ||
        (s.additionalProperties !== undefined && s.maxProperties === undefined) ||
        (s.type === "string" && s.enum === undefined && s.maxLength === undefined),
    );
    expect(unbounded.map(([path]) => path)).toEqual([]);
  });

  it.each(kinds)("gives a new %s a status that kstatus does not call ready", (kind) => {
    expect(objectSchema(kind).properties?.["status"]?.default).toEqual({ observedGeneration: -1 });
  });

  it.each(kinds)("puts no default into the spec of a %s", (kind) => {
    const spec = objectSchema(kind).properties?.["spec"] ?? {};
    expect(walk(spec, "spec").filter(([, s]) => s.default !== undefined)).toEqual([]);
  });

  it("lets kubectl scale a job", () => {
    expect(crd("StreamingJob").spec.versions[0]?.subresources.scale).toEqual({
      specReplicasPath: ".spec.parallelism",
      statusReplicasPath: ".status.readyWorkers",
      labelSelectorPath: ".status.selector",
    });
  });

  it.each(kinds)("shows only fields of a %s that exist", (kind) => {
    const known = new Set(walk(objectSchema(kind), "").map(([path]) => path));
    const version = crd(kind).spec.versions[0];
    const paths = [
      ...(version?.additionalPrinterColumns ?? []).map((c) => c.jsonPath),
      ...(version?.selectableFields ?? []).map((f) => f.jsonPath),
    ].map((path) => path.replace(/\[\?.*?\)\]/, "[]"));
    const missing = paths.filter((p) => !known.has(p) && p !== ".metadata.creationTimestamp");
    expect(missing).toEqual([]);
  });
});
