import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { countingPlan } from "../../test/builders/counting-program.ts";
import { startDocumentOf } from "../../test/builders/worker-process.ts";
import { readDocuments } from "./documents.ts";

const folder = mkdtempSync(join(tmpdir(), "weir-documents-"));
afterAll(() => rmSync(folder, { recursive: true }));
const plan = { ...countingPlan({ datagen: {} }) };

function read(planText: string, startText = JSON.stringify(startDocumentOf())): ReturnType<typeof readDocuments> {
  writeFileSync(join(folder, "plan.json"), planText);
  writeFileSync(join(folder, "start.json"), startText);
  return readDocuments(folder);
}

describe("the documents of an epoch", () => {
  it("are read as they were written", () => {
    expect(read(JSON.stringify(plan)).plan).toEqual(JSON.parse(JSON.stringify(plan)));
  });

  it.each([
    ["null", /version none/],
    ["[]", /version none/],
    ['{"version": 2}', /version 2; .*use the operator's image/],
    [JSON.stringify({ ...plan, sources: {} }), /plan\.json: sources: /],
    [JSON.stringify({ ...plan, sources: [] }), /a plan has a source/],
    [JSON.stringify({ ...plan, nodes: [{ name: 1 }] }), /plan\.json: nodes\.0\.name: /],
    [JSON.stringify({ ...plan, maxParallelism: 1e9 }), /maxParallelism: /],
    ["{", /is the ConfigMap mounted/],
    [`"${"x".repeat(5_000_000)}"`, /larger than 4194304 bytes/],
  ])("are refused with what is wrong: %#", (text, message) => {
    expect(() => read(text)).toThrow(message);
  });

  it("have a start that fits its schema", () => {
    expect(() => read(JSON.stringify(plan), '{"version": 1}')).toThrow(/start\.json: namespace: /);
  });
});
